"""What was done, by whom and why; to look through, and to take away as a file."""

import streamlit as st

from tinyboard.screens.common import hub, section
from tinyboard.views import audit

RECORDS_ASKED = 2_000


def show() -> None:
    """The newest records, narrowed to one subject if the address names it."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        subject = st.text_input(
            "What it was done to",
            key="subject",
            bind="query-params",
            placeholder="id of an event or sample, name of a label",
            icon=":material/search:",
            width=420,
        )
        files = st.container(horizontal=True, width="content")
    with section():
        records = hub().reviewing.audit(subject=(subject or "").strip(), limit=RECORDS_ASKED)
        if not records:
            st.info("Nothing was done yet that is kept here.", icon=":material/history:")
            return
        with files:
            st.download_button(
                "CSV",
                lambda: audit.as_csv(records),
                "audit.csv",
                "text/csv",
                icon=":material/download:",
                on_click="ignore",
            )
            st.download_button(
                "JSON",
                lambda: audit.as_json(records),
                "audit.json",
                "application/json",
                icon=":material/download:",
                on_click="ignore",
            )
        st.dataframe(audit.rows(records), hide_index=True, height=560, alt="Audit trail, newest first")
        if len(records) == RECORDS_ASKED:
            st.caption(f"The newest {RECORDS_ASKED:,}; name what it was done to for older ones.")

"""The log of a device, searched by level and words."""

import streamlit as st

from tinyboard.screens.common import hub
from tinyboard.views import colours, words
from tinyboard.views.records import LogView

LINES_SHOWN = 50
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def show(device_id: str) -> None:
    """The newest lines that match. Raises HubError."""
    st.subheader("Log")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Words",
            key="log-words",
            bind="query-params",
            placeholder="words of the message",
            max_chars=200,
            icon=":material/search:",
            label_visibility="collapsed",
            width=260,
        )
        level = st.segmented_control(
            "At least",
            LEVELS,
            default="INFO",
            format_func=words.title_case,
            key="log-level",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
        )
    lines = hub().logs(
        device_id=device_id, minimum_level=level or "", text=(text or "").strip(), limit=LINES_SHOWN
    )
    if not lines:
        st.caption("No line matches. Devices send warnings and errors, and more where their settings say so.")
    st.markdown("  \n".join(map(_line, lines)))


def _line(line: LogView) -> str:
    when = "" if line.log_time is None else f"{line.log_time:%d %b %H:%M:%S}"
    level = colours.badge(colours.LOG_LEVEL_COLOURS, line.level)
    return f"{level} :gray[{when} {words.plain(line.logger)}] {words.plain(line.message)}"

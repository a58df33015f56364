"""What became of the judgements: how each device takes its feedback."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from tinyboard.screens import device as device_screen
from tinyboard.screens.common import hub, one_page, section
from tinyboard.views import backlogs
from tinyboard.views.drift_records import BacklogView

DEVICES_PER_PAGE = 20


def show() -> None:
    """Stuck and rejecting devices first."""
    with section():
        found = backlogs.sorted_by_need(hub().backlogs())
        if not found:
            st.info(
                "No device was sent feedback yet. Judge samples, and their devices fetch them.",
                icon=":material/sync_alt:",
            )
            return
        _figures(found)
        for backlog in one_page(found, DEVICES_PER_PAGE, key="backlogs-page"):
            _device(backlog)


def _figures(found: Sequence[BacklogView]) -> None:
    facts = (
        ("Devices that need somebody", backlogs.needing(found)),
        ("Items waiting", sum(one.waiting_count for one in found)),
        ("Applied", sum(one.applied_count for one in found)),
        ("Rejected", sum(one.rejected_count for one in found)),
    )
    for column, (name, value) in zip(st.columns(len(facts)), facts, strict=True):
        column.metric(name, f"{value:,}", border=True)


def _device(backlog: BacklogView) -> None:
    with (
        st.container(border=True, gap="xxsmall", key=f"backlog-{backlog.device_id}"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        with st.container(gap="xxsmall"):
            st.markdown(backlogs.line(backlog, datetime.now(UTC)))
            st.caption(backlogs.explanation(backlog))
        device_screen.link(backlog.device_id)

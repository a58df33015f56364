"""How a device came to know what it knows: its adaptations, newest first."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from tinyboard.views import lineage
from tinyboard.views.records import AdaptationView


def show(adaptations: Sequence[AdaptationView]) -> None:
    """Each with its state, and in small what was done and what it changed."""
    now = datetime.now(UTC)
    for adaptation in adaptations:
        with st.container(gap="xxsmall"):
            st.markdown(lineage.line(adaptation, now))
            if details := lineage.details(adaptation):
                st.caption(details)

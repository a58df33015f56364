"""What every page needs: the hub, its failures as words, pictures once fetched."""

from collections.abc import Callable
from functools import wraps

import streamlit as st

from tinyboard.client.hub import Hub, HubError, connect

IMAGE_CACHE_ENTRIES = 2_000


@st.cache_resource
def hub() -> Hub:
    """One connection for all sessions of this process."""
    return connect()


@st.cache_data(max_entries=IMAGE_CACHE_ENTRIES, show_spinner=False)
def image(sample_id: str) -> bytes:
    """The picture of a sample; pictures never change, so they are asked for once."""
    return hub().image(sample_id)


def shows_failures(screen: Callable[[], None]) -> Callable[[], None]:
    """A page whose server is gone says so and how to go on, in place of a traceback."""

    @wraps(screen)
    def guarded() -> None:
        try:
            screen()
        except HubError as error:
            st.error(str(error), icon=":material/cloud_off:")
            if st.button("Try again", icon=":material/refresh:"):
                st.rerun()

    return guarded


def reviewer() -> str:
    """Name that verdicts carry; asked for once a session, in the sidebar."""
    with st.sidebar:
        return (
            str(st.text_input("Reviewer", value="local-reviewer", max_chars=128, key="reviewer")).strip()
            or "local"
        )

"""What every page needs: the hub, its failures as words, pictures once fetched, small pieces of HTML."""

from collections.abc import Callable, Hashable, Sequence
from functools import wraps
from typing import TypeVar

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.client.hub import connect
from tinyboard.client.ports import Hub
from tinyboard.views import pictures, words

Answer = TypeVar("Answer")
Row = TypeVar("Row")

REFRESH_S = 3
IMAGE_CACHE_ENTRIES = 2_000


def hub() -> Hub:
    """The hub of this session: its own if it brought one, else the connection that all sessions share."""
    own: Hub | None = st.session_state.get("hub")
    return own or _connection()


@st.cache_resource
def _connection() -> Hub:
    return connect()


def remembered(name: str, version: Hashable, ask: Callable[[], Answer]) -> Answer:
    """The answer of before while its version is the same: most of drawing a page again costs no call."""
    kept: tuple[Hashable, Answer] | None = st.session_state.get(name)
    if kept is None or kept[0] != version:
        kept = (version, ask())
        st.session_state[name] = kept
    return kept[1]


@st.cache_data(max_entries=IMAGE_CACHE_ENTRIES, show_spinner=False)
def card_picture(sample_id: str) -> bytes | None:
    """The picture of a sample for its card, or None; pictures never change, so they are asked for once."""
    return pictures.card(hub().image(sample_id))


@st.cache_data(max_entries=IMAGE_CACHE_ENTRIES, show_spinner=False)
def thumbnail(sample_id: str) -> bytes | None:
    """The picture of a sample for the overview, or None."""
    return pictures.thumbnail(hub().image(sample_id))


def one_page(rows: Sequence[Row], rows_per_page: int, *, key: str) -> Sequence[Row]:
    """The rows of the page that people chose; offers the choice where there are several."""
    page_count = -(-len(rows) // rows_per_page)
    number = st.pagination(page_count, key=key) if page_count > 1 else 1
    return rows[rows_per_page * (number - 1) : rows_per_page * number]


def no_device_yet() -> None:
    """What to do on a server without devices."""
    st.info(
        "No device has registered yet. Start one with `tinylcm run`; it appears here by itself.",
        icon=":material/router:",
    )


def shows_failures(screen: Callable[[], None]) -> Callable[[], None]:
    """A page whose server is gone says so and how to go on, and comes back by itself."""

    @wraps(screen)
    def guarded() -> None:
        try:
            screen()
        except HubError as error:
            st.error(words.plain(str(error)), icon=":material/cloud_off:")
            _come_back()

    return guarded


@st.fragment(run_every=REFRESH_S)
def _come_back() -> None:
    st.button("Try again", icon=":material/refresh:")
    try:
        hub().events(limit=1)
        hub().devices()
    except HubError:
        return
    st.rerun()

"""What every page needs: the hub, its failures as words, pictures once fetched, small pieces of HTML."""

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.client.hub import connect
from tinyboard.client.ports import Hub
from tinyboard.views import pictures, words
from tinyboard.views.reviewing_records import LabelView

Answer = TypeVar("Answer")
Row = TypeVar("Row")
Arguments = ParamSpec("Arguments")

REFRESH_S = 3
IMAGE_CACHE_ENTRIES = 2_000
LABELS_KEPT_S = 10
MISSING_KEPT_S = 600
"""A neighbour that the server does not know yet may still arrive."""


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


@st.cache_data(max_entries=IMAGE_CACHE_ENTRIES, ttl=MISSING_KEPT_S, show_spinner=False)
def thumbnail(sample_id: str) -> bytes | None:
    """The picture of a sample for an overview, or None, which is kept as well: neighbours often have none."""
    try:
        return pictures.thumbnail(hub().image(sample_id))
    except HubError as error:
        if error.reason == "UNAVAILABLE":
            raise
        return None


def some_thumbnails(sample_ids: Sequence[str]) -> None:
    """Small pictures in a row; nothing where none has a picture."""
    shown = [picture for picture in map(thumbnail, sample_ids) if picture is not None]
    if shown:
        st.image(shown, width=pictures.THUMBNAIL_SIZE_PX, output_format="PNG")


def label_names() -> Sequence[str]:
    """Names of the catalogue, those that people added first, most used ones before others."""

    def ask() -> Sequence[LabelView]:
        try:
            return hub().reviewing.labels()
        except HubError as error:
            if error.reason == "UNAVAILABLE":
                raise
            return ()  # labels that samples name are enough to go on

    labels = remembered("label-names", int(time.monotonic() / LABELS_KEPT_S), ask)
    ranked = sorted(labels, key=lambda one: (one.creator == "model", -one.sample_count, one.name))
    return tuple(one.name for one in ranked)


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


def shows_failures(screen: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """A page, or a part of one, whose server is gone says so and how to go on, and comes back by itself."""

    @wraps(screen)
    def guarded(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        try:
            screen(*arguments, **named)
        except HubError as error:
            st.error(words.plain(str(error)), icon=":material/cloud_off:")
            _come_back()

    return guarded


@contextmanager
def section() -> Iterator[None]:
    """A part of a page that the server may refuse while the rest goes on; a server that is gone ends the page."""
    try:
        yield
    except HubError as error:
        if error.reason == "UNAVAILABLE":
            raise
        st.warning(words.plain(str(error)), icon=":material/error:")


@st.fragment(run_every=REFRESH_S)
def _come_back() -> None:
    st.button("Try again", icon=":material/refresh:")
    try:
        hub().events(limit=1)
        hub().devices()
    except HubError:
        return
    st.rerun()

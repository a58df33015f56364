"""The queue in the sidebar: all samples, or those of one drift event, narrowed by filters that live in the URL."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import hands
from tinyboard.screens.common import REFRESH_S, hub
from tinyboard.views import colours, review, words
from tinyboard.views.drift_records import EventFilter
from tinyboard.views.hand import Queue
from tinyboard.views.records import EventView

STATES = ("OPEN", "IN_REVIEW", "RESOLVED")
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
QUEUE_LENGTH = 25
EVENTS_ASKED = 500
"""One page of the server: the filters choose among these, the newest."""
ANY_DEVICE = "all devices"
ALL_EVENTS = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the reviewer wants to see; an empty one leaves everything."""

    states: Sequence[str]
    severities: Sequence[str]
    device_id: str


def chosen(reviewer: str) -> tuple[Queue, EventView | None]:
    """The queue that the sidebar asks for, and its event unless it is all of them."""
    wanted = st.query_params.get("event", ALL_EVENTS)
    with st.sidebar:
        order = _order()
        states = _pills("State", STATES, STATES[:2])
        severities = _pills("Severity", SEVERITIES, ())
        device_id = _device({device.device_id for device in hub().devices()})
        filters = Filters(states=tuple(states), severities=tuple(severities), device_id=device_id)
        event = _list(filters, wanted, drawn_s=time.monotonic())
    _tell_address(event)
    event_id = event.drift_event_id if event else ""
    return Queue(reviewer=reviewer, order=order, drift_event_id=event_id, device_id=device_id), event


@st.fragment(run_every=REFRESH_S)
def _list(filters: Filters, wanted: str, *, drawn_s: float) -> EventView | None:
    """The events to choose from. Looks again by itself; the page is drawn anew only when it has to be another one.

    A key that is pressed while Streamlit starts a whole page anew may be lost, so that is left for when it must be.
    """
    fresh = time.monotonic() - drawn_s < REFRESH_S / 2
    try:
        listed = _listed(filters, wanted)
        event = _choice(listed, wanted)
        another_card = not fresh and hands.refresh()
    except HubError:
        if fresh:
            raise
        st.rerun()
    known = {ALL_EVENTS, *(one.drift_event_id for one in listed)}
    another_queue = wanted in known and (event.drift_event_id if event else ALL_EVENTS) != wanted
    if another_card or another_queue:
        _tell_address(event)
        st.rerun()
    return event


def _tell_address(event: EventView | None) -> None:
    if event is not None:
        st.query_params["event"] = event.drift_event_id
    elif "event" in st.query_params:
        del st.query_params["event"]


def _order() -> str:
    chosen = st.selectbox(
        "Order",
        list(review.ORDERS),
        format_func=review.ORDERS.__getitem__,
        key="order",
        bind="query-params",
        filter_mode=None,
    )
    return "" if chosen in (None, review.AS_SET) else str(chosen)


def _device(device_ids: Collection[str]) -> str:
    options = (ANY_DEVICE, *sorted(device_ids))
    chosen = st.selectbox("Device", options, key="device", bind="query-params", filter_mode=None)
    return "" if chosen == ANY_DEVICE else chosen


def _pills(name: str, options: Sequence[str], default: Sequence[str]) -> Sequence[str]:
    return st.pills(
        name,
        options,
        selection_mode="multi",
        default=default,
        format_func=words.title_case,
        key=name.casefold(),
        bind="query-params",
    )


def _listed(filters: Filters, wanted: str) -> Sequence[EventView]:
    """The head of the queue, with the event of the URL on top when the filters hide it.

    Raises:
        HubError: The server does not answer.
    """
    events = hub().events(EventFilter(states=tuple(filters.states)), limit=EVENTS_ASKED)
    head = review.queue(events, filters.severities, filters.device_id)[:QUEUE_LENGTH]
    if not wanted or any(event.drift_event_id == wanted for event in head):
        return head
    try:
        return [hub().event(wanted)[0], *head]
    except HubError as error:
        if error.reason == "UNAVAILABLE":
            raise
        return head  # an address from another server, or from before a clean start


def _choice(events: Sequence[EventView], wanted: str) -> EventView | None:
    by_id = {event.drift_event_id: event for event in events}
    ids = [ALL_EVENTS, *by_id]
    causes = ["the queue of the whole fleet"]
    causes += [words.CAUSE_WORDS.get(event.cause, event.cause) for event in events]
    chosen = st.radio(
        f"Samples of ({len(by_id)})",
        ids,
        index=ids.index(wanted) if wanted in by_id else 0,
        format_func=lambda event_id: _line(by_id[event_id]) if event_id else "**All events**",
        captions=causes,
    )
    return by_id.get(chosen or ALL_EVENTS)


def _line(event: EventView) -> str:
    severity = colours.badge(colours.SEVERITY_COLOURS, event.severity)
    return f"{severity} **{words.plain(event.device_id)}** {event.judged_sample_count}/{event.sample_count}"

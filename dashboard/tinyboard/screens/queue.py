"""The queue in the sidebar: which drift events wait, narrowed by filters that live in the URL."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens.common import REFRESH_S, hub
from tinyboard.views import colours, review, words
from tinyboard.views.drift_records import EventFilter
from tinyboard.views.records import EventView

STATES = ("OPEN", "IN_REVIEW", "RESOLVED")
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
QUEUE_LENGTH = 25
EVENTS_ASKED = 500
"""One page of the server: the filters choose among these, the newest."""
ANY_DEVICE = "all devices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the reviewer wants to see; an empty one leaves everything."""

    states: Sequence[str]
    severities: Sequence[str]
    device_id: str


def chosen_event() -> EventView | None:
    """The event named in the URL, else the newest of the queue; None, with a word on the page, for neither."""
    wanted = st.query_params.get("event", "")
    with st.sidebar:
        states = _pills("State", STATES, STATES[:2])
        severities = _pills("Severity", SEVERITIES, ())
        events = hub().events(EventFilter(states=tuple(states)), limit=EVENTS_ASKED)
        device_id = _device({event.device_id for event in events})
        filters = Filters(states=states, severities=severities, device_id=device_id)
        listed = _listed(events, filters, wanted)
        chosen = _choice(listed, wanted) if listed else None
        _watch(filters, wanted, listed, drawn_s=time.monotonic())
    if chosen is None:
        _nothing_waits()
        return None
    st.query_params["event"] = chosen.drift_event_id
    return chosen


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


def _listed(events: Sequence[EventView], filters: Filters, wanted: str) -> Sequence[EventView]:
    """The head of the queue, with the event of the URL on top when the filters hide it.

    Raises:
        HubError: The server does not answer.
    """
    head = review.queue(events, filters.severities, filters.device_id)[:QUEUE_LENGTH]
    if not wanted or any(event.drift_event_id == wanted for event in head):
        return head
    try:
        return [hub().event(wanted)[0], *head]
    except HubError as error:
        if error.reason == "UNAVAILABLE":
            raise
        return head  # an address from another server, or from before a clean start


@st.fragment(run_every=REFRESH_S)
def _watch(filters: Filters, wanted: str, shown: Sequence[EventView], *, drawn_s: float) -> None:
    """Draws the page again when the server knows more than the page shows, or does not answer."""
    if time.monotonic() - drawn_s < REFRESH_S / 2:
        return
    try:
        if (
            _listed(
                hub().events(EventFilter(states=tuple(filters.states)), limit=EVENTS_ASKED), filters, wanted
            )
            == shown
        ):
            return
    except HubError:
        pass
    st.rerun()


def _choice(events: Sequence[EventView], wanted: str) -> EventView:
    by_id = {event.drift_event_id: event for event in events}
    ids = list(by_id)
    chosen = st.radio(
        f"Queue ({len(ids)})",
        ids,
        index=ids.index(wanted) if wanted in by_id else 0,
        format_func=lambda drift_event_id: _line(by_id[drift_event_id]),
        captions=[words.CAUSE_WORDS.get(event.cause, event.cause) for event in events],
    )
    return by_id[chosen]


def _line(event: EventView) -> str:
    severity = colours.badge(colours.SEVERITY_COLOURS, event.severity)
    return f"{severity} **{words.plain(event.device_id)}** {event.judged_sample_count}/{event.sample_count}"


def _nothing_waits() -> None:
    st.title("Review")
    st.success(
        "Nothing waits for a reviewer with these filters. New drift appears here by itself.",
        icon=":material/task_alt:",
    )

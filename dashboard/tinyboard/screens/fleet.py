"""Fleet: which devices there are, how they are, and what they noticed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import device as device_screen
from tinyboard.screens import review
from tinyboard.screens.common import REFRESH_S, hub, no_device_yet, one_page
from tinyboard.views import colours, figures, fleet, markup, words
from tinyboard.views.drift_records import EventFilter
from tinyboard.views.records import DeviceView, EventView

DEVICES_PER_PAGE = 10
EVENTS_PER_DEVICE = 3
NEWEST_EVENTS = 6
KNOWN_EVENTS = 500
"""Newest events of the whole fleet that the cards draw from."""
OPEN_STATES = ("OPEN", "IN_REVIEW")
RATE_DAYS = 7


def page() -> st.Page:
    """Where the screen is found."""
    return st.Page(show, title="Fleet", icon=":material/router:", url_path="fleet", default=True)


def show() -> None:
    """The page."""
    head, filters = st.columns([2, 3], vertical_alignment="bottom")
    head.title("Fleet")
    with filters.container(horizontal=True, horizontal_alignment="right", vertical_alignment="bottom"):
        text = st.text_input(
            "Find a device",
            key="find",
            bind="query-params",
            placeholder="name, id, label or model",
            icon=":material/search:",
            label_visibility="collapsed",
            width=260,
        )
        kind = st.segmented_control(
            "Show",
            fleet.KINDS,
            default=fleet.KINDS[0],
            key="show",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
        )
    _live(text or "", kind or fleet.KINDS[0])


@st.fragment(run_every=REFRESH_S)
def _live(text: str, kind: str) -> None:
    try:
        devices = hub().devices()
        open_events, newest = hub().events(EventFilter(states=OPEN_STATES)), hub().events(limit=KNOWN_EVENTS)
        rates = _drift_rates()
    except HubError as error:
        st.error(f"{error} This page comes back by itself.", icon=":material/cloud_off:")
        return
    if not devices:
        no_device_yet()
        return
    _counts(devices, open_events)
    left, right = st.columns([7, 4], gap="large")
    with left:
        _cards(fleet.chosen(devices, text=text, kind=kind), newest, rates)
    with right:
        _places(devices)
        _newest(devices, newest)


def _counts(devices: Sequence[DeviceView], open_events: Sequence[EventView]) -> None:
    counts = fleet.counts(devices, open_events)
    shown: tuple[tuple[str, str | int], ...] = (
        ("Devices online", f"{counts.online} of {len(devices)}"),
        ("Drifting now", counts.drifting),
        ("Open drift events", counts.open_events),
        ("Samples to judge", counts.waiting_samples),
        ("Predictions", words.short_count(counts.predictions)),
        ("Adaptations", counts.adaptations),
    )
    for column, (name, value) in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(name, value, border=True)


def _drift_rates() -> Mapping[str, float]:
    since = datetime.now(UTC) - timedelta(days=RATE_DAYS)
    return fleet.drift_rates(hub().statistics(("DEVICE",), after_time=since), RATE_DAYS)


def _cards(devices: Sequence[DeviceView], events: Sequence[EventView], rates: Mapping[str, float]) -> None:
    st.subheader("Devices")
    if not devices:
        st.info("No device matches. Clear the search field or show all.", icon=":material/search_off:")
        return
    now = datetime.now(UTC)
    for device in one_page(devices, DEVICES_PER_PAGE, key="devices-page"):
        own = [event for event in events if event.device_id == device.device_id]
        with st.container(border=True, gap="small"):
            _card(device, own, rates.get(device.device_id, 0.0), now)


def _card(device: DeviceView, events: Sequence[EventView], drift_rate: float, now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**{words.plain(device.title)}** &nbsp;:gray[{words.plain(device.device_id)}] "
            f"&nbsp; {fleet.badges(device)}",
            width="stretch",
        )
        device_screen.link(device.device_id)
    st.html(
        markup.facts(
            (
                ("Model", device.model.title),
                ("Mode", words.title_case(device.mode)),
                ("Last contact", words.age(device.last_contact_time, now)),
                ("Drift, last week", fleet.rate(drift_rate)),
                ("Predictions", f"{device.prediction_count:,}"),
                ("Adaptations", device.adaptation_count),
                ("Quarantine", device.quarantine_count),
                ("Outbox", device.outbox_count),
                ("Latency", words.milliseconds(device.latency_ms)),
                ("Memory", words.size(device.memory_bytes)),
            ),
            columns=5,
        )
    )
    for event in events[:EVENTS_PER_DEVICE]:
        _event_line(event, now)


def _event_line(event: EventView, now: datetime) -> None:
    """One event of a device's card; the whole line leads to its review."""
    state = colours.badge(colours.EVENT_STATE_COLOURS, event.state)
    details = (
        words.sigmas(event.shift_sigma),
        words.age(event.detect_time, now),
        f"{event.judged_sample_count}/{event.sample_count} judged",
    )
    _review_link(event, f"{state} {_cause(event)} :gray[· {' · '.join(details)}]", "device")


def _review_link(event: EventView, text: str, place: str) -> None:
    severity = colours.badge(colours.SEVERITY_COLOURS, event.severity)
    with st.container(key=f"{place}-{event.drift_event_id}"):
        st.page_link(
            review.page(),
            label=f"{severity} {text}",
            icon=":material/chevron_right:",
            icon_position="right",
            query_params={"event": event.drift_event_id},
        )


def _cause(event: EventView) -> str:
    return words.CAUSE_WORDS.get(event.cause, event.cause)


def _places(devices: Sequence[DeviceView]) -> None:
    if any(device.location is not None for device in devices):
        st.subheader("Places")
        st.plotly_chart(figures.device_map(devices), key="places", config={"displayModeBar": False})


def _newest(devices: Sequence[DeviceView], events: Sequence[EventView]) -> None:
    st.subheader("Newest drift")
    if not events:
        st.caption("No device has reported drift.")
    now = datetime.now(UTC)
    titles = {device.device_id: device.title for device in devices}
    for event in events[:NEWEST_EVENTS]:
        title = words.plain(titles.get(event.device_id, event.device_id))
        _review_link(
            event, f"**{title}** {_cause(event)} :gray[· {words.age(event.detect_time, now)}]", "newest"
        )

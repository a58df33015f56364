"""Fleet: which devices there are, how they are, and what they noticed."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from tinyboard.screens.common import hub, shows_failures
from tinyboard.views import colours, figures, words
from tinyboard.views.records import DeviceView, EventView

REFRESH_S = 3
EVENTS_PER_DEVICE = 5


@shows_failures
def show() -> None:
    """The page."""
    st.title("Fleet")
    _live()


@st.fragment(run_every=REFRESH_S)
@shows_failures
def _live() -> None:
    devices, events = hub().devices(), hub().events()
    if not devices:
        st.info(
            "No device has registered yet. Start one with `tinylcm run --config device.toml`; "
            "it appears here by itself.",
            icon=":material/router:",
        )
        return
    _counts(devices, events)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _cards(devices, events)
    with right:
        _places(devices)
        _newest(events)


def _counts(devices: Sequence[DeviceView], events: Sequence[EventView]) -> None:
    online = sum(device.connectivity == "ONLINE" for device in devices)
    open_events = [event for event in events if not event.closed]
    waiting = sum(event.sample_count - event.judged_sample_count for event in open_events)
    figures_shown: tuple[tuple[str, str | int], ...] = (
        ("Devices online", f"{online} of {len(devices)}"),
        ("Drifting now", sum(device.drifting for device in devices)),
        ("Open drift events", len(open_events)),
        ("Samples to judge", waiting),
        ("Predictions", f"{sum(device.prediction_count for device in devices):,}"),
        ("Adaptations", sum(device.adaptation_count for device in devices)),
    )
    for column, (name, value) in zip(st.columns(len(figures_shown)), figures_shown, strict=True):
        column.metric(name, value, border=True)


def _cards(devices: Sequence[DeviceView], events: Sequence[EventView]) -> None:
    st.subheader("Devices")
    now = datetime.now(UTC)
    for device in devices:
        own = [event for event in events if event.device_id == device.device_id]
        with st.container(border=True):
            _card(device, own, now)


def _card(device: DeviceView, events: Sequence[EventView], now: datetime) -> None:
    connectivity = colours.badge(colours.CONNECTIVITY_COLOURS, device.connectivity)
    drifting = ":orange-badge[:material/warning: Drifting]" if device.drifting else ""
    st.markdown(f"**{device.title}** &nbsp; `{device.device_id}` &nbsp; {connectivity} {drifting}")
    seen = words.age(device.last_contact_time, now)
    st.caption(
        f"{words.title_case(device.mode)} · {device.model.title} · {device.platform} · last contact {seen}"
    )
    shown = (
        ("Predictions", f"{device.prediction_count:,}"),
        ("Latency", f"{device.latency_ms:.1f} ms"),
        ("Memory", words.mebibytes(device.memory_bytes)),
        ("Quarantine", device.quarantine_count),
        ("Outbox", device.outbox_count),
        ("Adaptations", device.adaptation_count),
    )
    for column, (name, value) in zip(st.columns(len(shown)), shown, strict=True):
        column.markdown(
            f"<small style='opacity:.65'>{name}</small><br><b>{value}</b>", unsafe_allow_html=True
        )
    for event in events[:EVENTS_PER_DEVICE]:
        _event_line(event, now)


def _event_line(event: EventView, now: datetime) -> None:
    state = colours.badge(colours.EVENT_STATE_COLOURS, event.state)
    severity = colours.badge(colours.SEVERITY_COLOURS, event.severity)
    text = (
        f"{severity} {state} {words.TYPE_WORDS.get(event.type, event.type)}, {event.shift_sigma:+.1f} sigma, "
        f"{words.age(event.detect_time, now)} · {event.judged_sample_count} of {event.sample_count} samples judged"
    )
    st.markdown(f"{text} · [review](/review?event={event.drift_event_id})")


def _places(devices: Sequence[DeviceView]) -> None:
    if any(device.location is not None for device in devices):
        st.subheader("Places")
        st.plotly_chart(figures.device_map(devices), key="places", config={"displayModeBar": False})


def _newest(events: Sequence[EventView]) -> None:
    st.subheader("Newest drift")
    if not events:
        st.caption("No device has reported drift.")
    now = datetime.now(UTC)
    for event in events[:EVENTS_PER_DEVICE]:
        severity = colours.badge(colours.SEVERITY_COLOURS, event.severity)
        cause = words.CAUSE_WORDS.get(event.cause, event.cause)
        st.markdown(f"{severity} **{event.device_id}** {cause}, {words.age(event.detect_time, now)}")

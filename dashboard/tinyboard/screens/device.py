"""One device: how it is, what it met and made of it over time, what it measured and logged, and its mode."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import lineage, logs, mode
from tinyboard.screens.common import REFRESH_S, hub, no_device_yet, shows_failures
from tinyboard.views import fleet, history, markup, words
from tinyboard.views.drift_records import EventFilter
from tinyboard.views.history import Span
from tinyboard.views.records import DeviceView, EventView

ADAPTATIONS_SHOWN = 20
EVENTS_SHOWN = 200
CHARTS_A_ROW = 3
PLAIN_CHART = {"displayModeBar": False}


def page() -> st.Page:
    """Where the screen is found."""
    return st.Page(show, title="Device", icon=":material/memory:", url_path="device")


def link(device_id: str) -> None:
    """Leads to the page of a device."""
    st.page_link(page(), label="Open", icon=":material/arrow_forward:", query_params={"device": device_id})


@shows_failures
def show() -> None:
    """The page."""
    devices = hub().devices()
    device = _chosen(devices)
    if device is None:
        return
    _head(device)
    left, right = st.columns([7, 4], gap="large")
    with left:
        _live(device.device_id, _span_name())
        logs.show(device.device_id)
    with right:
        mode.show(device)
        _lineage(device)


def _chosen(devices: Sequence[DeviceView]) -> DeviceView | None:
    """The device of the address, else the first; None, with a word on the page, when there is none."""
    if not devices:
        st.title("Device")
        no_device_yet()
        return None
    by_id = {device.device_id: device for device in devices}
    wanted = st.selectbox(
        "Device",
        list(by_id),
        format_func=lambda device_id: by_id[device_id].title,
        key="device",
        bind="query-params",
        label_visibility="collapsed",
        width=320,
    )
    return by_id[wanted or devices[0].device_id]


def _head(device: DeviceView) -> None:
    now = datetime.now(UTC)
    st.title(words.plain(device.title))
    st.markdown(f":gray[{words.plain(device.device_id)}] &nbsp; {fleet.badges(device)}")
    st.html(
        markup.facts(
            (
                ("Model", device.model.title),
                ("Mode", words.title_case(device.mode)),
                ("Last contact", words.age(device.last_contact_time, now)),
                ("Predictions", f"{device.prediction_count:,}"),
                ("Drift events", device.drift_event_count),
                ("Adaptations", device.adaptation_count),
                ("Quarantine", device.quarantine_count),
                ("Outbox", device.outbox_count),
                ("Machine", device.machine or "–"),
                ("Runtime", device.runtime or "–"),
            ),
            columns=5,
        )
    )


def _span_name() -> str:
    chosen = st.segmented_control(
        "Span",
        list(history.SPANS),
        default="1 day",
        key="span",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    return chosen or "1 day"


@st.fragment(run_every=10 * REFRESH_S)
def _live(device_id: str, span_name: str) -> None:
    try:
        _over_time(device_id, history.span(span_name, datetime.now(UTC)))
    except HubError as error:
        st.error(f"{error} This part comes back by itself.", icon=":material/cloud_off:")


def _over_time(device_id: str, shown: Span) -> None:
    events = hub().events(EventFilter(device_id=device_id), limit=EVENTS_SHOWN)
    figure = history.timeline(
        events,
        hub().adaptations(device_id=device_id, limit=EVENTS_SHOWN),
        hub().feedback(device_id=device_id),
        shown,
    )
    st.plotly_chart(figure, key="timeline", config=PLAIN_CHART)
    _charts(device_id, events, shown)


def _charts(device_id: str, events: Sequence[EventView], shown: Span) -> None:
    names = hub().metric_names(device_id)
    if not names:
        st.caption("No metrics have arrived yet. A device sends them every few minutes when it has a link.")
        return
    chosen = st.multiselect(
        "Metrics",
        names,
        default=history.first_metrics(names),
        key=f"metrics-{device_id}",
        max_selections=2 * CHARTS_A_ROW,
    )
    for first in range(0, len(chosen), CHARTS_A_ROW):
        for column, name in zip(st.columns(CHARTS_A_ROW), chosen[first : first + CHARTS_A_ROW], strict=False):
            with column:
                _chart(device_id, name, events, shown)


def _chart(device_id: str, name: str, events: Sequence[EventView], shown: Span) -> None:
    series = hub().series(
        device_id, name, start_time=shown.start_time, end_time=shown.end_time, step=shown.step
    )
    st.caption(words.plain(name))
    if not series.points:
        st.caption("Nothing was measured in this time.")
        return
    st.plotly_chart(history.metric_chart(series, events, shown), key=f"chart-{name}", config=PLAIN_CHART)


def _lineage(device: DeviceView) -> None:
    st.subheader("Adaptations")
    adaptations = hub().adaptations(device_id=device.device_id, limit=ADAPTATIONS_SHOWN)
    if not adaptations:
        st.caption("This device has not tried to change its classifier yet.")
    lineage.show(adaptations)

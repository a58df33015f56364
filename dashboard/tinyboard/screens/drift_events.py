"""Drift events over time, and the newest of them with how far each reaches."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import streamlit as st

from tinyboard.screens import review
from tinyboard.screens.common import hub, one_page
from tinyboard.views import colours, drift, words
from tinyboard.views.drift_records import CountView, EventFilter
from tinyboard.views.records import EventView

EVENTS_ASKED = 200
EVENTS_PER_PAGE = 12
PLAIN_CHART = {"displayModeBar": False}


def show(wanted: EventFilter, span: timedelta, now: datetime) -> None:
    """The events that are wanted, of the time before `now`."""
    unit, step = drift.step_of(span)
    start = now - span
    counts = hub().statistics(
        (unit, "SEVERITY", "TYPE", "SCOPE"), device_id=wanted.device_id, after_time=start
    )
    shown = drift.matching(counts, wanted)
    _figures(shown)
    if any(count.time is not None for count in shown):
        _timeline(shown, start, now, step)
    _list(replace(wanted, after_time=start), now)


def _figures(counts: Sequence[CountView]) -> None:
    severe = drift.total(counts, severity="HIGH") + drift.total(counts, severity="CRITICAL")
    facts = (
        ("Drift events", drift.total(counts)),
        ("High or critical", severe),
        ("Systemic", drift.total(counts, scope="SYSTEMIC")),
        ("Local", drift.total(counts, scope="LOCAL")),
    )
    for column, (name, value) in zip(st.columns(len(facts)), facts, strict=True):
        column.metric(name, f"{value:,}", border=True)


def _timeline(counts: Sequence[CountView], start: datetime, now: datetime, step: timedelta) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Over time")
        split = st.segmented_control(
            "Divided by",
            list(drift.SPLITS),
            default="Severity",
            key="drift-split",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
        )
    figure = drift.timeline(counts, drift.SPLITS[split or "Severity"], start=start, end=now, step=step)
    st.plotly_chart(figure, key="drift-timeline", config=PLAIN_CHART, alt="Drift events over time")


def _list(wanted: EventFilter, now: datetime) -> None:
    st.subheader("Events")
    found = hub().events(wanted, limit=EVENTS_ASKED)
    if not found:
        st.info(
            "No drift event matches. Widen the time or clear the filters; new drift appears here by itself.",
            icon=":material/search_off:",
        )
        return
    for event in one_page(found, EVENTS_PER_PAGE, key="drift-page"):
        _event(event, now)
    if len(found) == EVENTS_ASKED:
        st.caption(f"The newest {EVENTS_ASKED}; narrow them to see older ones.")


def _event(event: EventView, now: datetime) -> None:
    with (
        st.container(border=True, gap="xxsmall", key=f"drift-event-{event.drift_event_id}"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        with st.container(gap="xxsmall"):
            st.markdown(_line(event, now))
            st.caption(_reason(event))
        st.page_link(
            review.page(),
            label="Review",
            icon=":material/arrow_forward:",
            query_params={"event": event.drift_event_id},
        )


def _line(event: EventView, now: datetime) -> str:
    badges = (
        colours.badge(colours.SEVERITY_COLOURS, event.severity),
        colours.badge(colours.EVENT_STATE_COLOURS, event.state),
        f":{colours.SCOPE_COLOURS.get(event.scope, 'gray')}-badge[{words.SCOPE_WORDS.get(event.scope, event.scope)}]",
    )
    cause = words.CAUSE_WORDS.get(event.cause, event.cause)
    details = (
        words.TYPE_WORDS.get(event.type, event.type),
        words.sigmas(event.shift_sigma),
        words.age(event.detect_time, now),
        f"{event.judged_sample_count}/{event.sample_count} judged",
    )
    told = " · ".join(map(words.plain, details))
    return f"{' '.join(badges)} **{words.plain(event.device_id)}** {cause} :gray[· {told}]"


def _reason(event: EventView) -> str:
    """Why it is systemic or local, or what the device said while nobody can know."""
    return words.plain(event.scope_reason or event.description or "How far it reaches is not decided yet.")

"""Review: one drift event, its samples one at a time by keyboard, and the device's answer."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from tinyboard.client.hub import HubError
from tinyboard.screens import answer
from tinyboard.screens.common import hub, image, reviewer, shows_failures
from tinyboard.views import colours, figures, review, words
from tinyboard.views.records import EventView, SampleView, VerdictView

STATES = ("OPEN", "IN_REVIEW", "RESOLVED")
THUMBNAIL_COUNT = 48
THUMBNAILS_PER_ROW = 12
MAX_LABEL_CHARACTERS = 64


@shows_failures
def show() -> None:
    """The page."""
    name = reviewer()
    event = _chosen_event()
    if event is None:
        return
    samples = hub().samples(event.drift_event_id)
    _header(event, samples)
    tab_samples, tab_answer = st.tabs(["Samples", "Device's answer and history"])
    with tab_samples:
        if samples:
            _card(event, samples, name)
            _overview(samples)
        else:
            st.info(
                "The samples of this event have not arrived yet; its device sends them when it has a link."
            )
    with tab_answer:
        answer.show(event, name)


def _chosen_event() -> EventView | None:
    """The event named in the URL, else the newest open one; the sidebar lists the queue."""
    with st.sidebar:
        states = st.multiselect(
            "States", STATES, default=STATES[:2], format_func=words.title_case, key="states"
        )
    events = {event.drift_event_id: event for event in hub().events(states=states)}
    wanted = st.query_params.get("event", "")
    if wanted and wanted not in events:
        events = {wanted: hub().event(wanted)[0], **events}
    if not events:
        st.title("Review")
        st.success(
            "Nothing waits for a reviewer. New drift appears here by itself.", icon=":material/task_alt:"
        )
        if st.button("Look again", icon=":material/refresh:"):
            st.rerun()
        return None
    with st.sidebar:
        chosen = st.radio(
            "Queue",
            list(events),
            index=list(events).index(wanted) if wanted in events else 0,
            format_func=lambda event_id: _queue_line(events[event_id]),
        )
    st.query_params["event"] = chosen
    return events[chosen]


def _queue_line(event: EventView) -> str:
    severity = colours.badge(colours.SEVERITY_COLOURS, event.severity)
    return f"{severity} **{event.device_id}** {event.judged_sample_count}/{event.sample_count}"


def _header(event: EventView, samples: Sequence[SampleView]) -> None:
    done = review.progress(samples)
    state = colours.badge(colours.EVENT_STATE_COLOURS, event.state)
    severity = colours.badge(colours.SEVERITY_COLOURS, event.severity)
    st.markdown(
        f"### {event.device_id}: {words.CAUSE_WORDS.get(event.cause, event.cause)} {severity} {state}"
    )
    since = words.age(event.start_time, datetime.now(UTC))
    st.caption(
        f"{words.TYPE_WORDS.get(event.type, event.type)} · {event.detector} · {event.shift_sigma:+.1f} sigma · "
        f"statistic {event.statistic:.1f} over {event.threshold:.1f} · since {since} "
        f"(sample {event.start_index:,}, noticed at {event.detect_index:,}) · {event.model.title}"
    )
    if event.description:
        st.markdown(event.description)
    st.progress(done.share, text=f"{done.judged_count} of {done.sample_count} samples judged")


def _card(event: EventView, samples: Sequence[SampleView], name: str) -> None:
    key = f"current-{event.drift_event_id}"
    by_id = {sample.sample_id: sample for sample in samples}
    if st.session_state.get(key) not in by_id:
        st.session_state[key] = review.next_open(samples, "")
    sample = by_id[st.session_state[key]]
    with st.container(border=True):
        picture, facts, actions = st.columns([2, 3, 3], gap="medium")
        with picture:
            _picture(sample)
        with facts:
            _facts(sample)
        with actions:
            _actions(event, samples, sample, key, name)


def _picture(sample: SampleView) -> None:
    if sample.has_image:
        st.image(image(sample.sample_id), width="stretch")
    else:
        st.caption("This device sends features only.")
        st.plotly_chart(figures.feature_bars(sample.embedding), key=f"features-{sample.sample_id}")


def _facts(sample: SampleView) -> None:
    st.markdown(f"Predicted **{sample.predicted_label}** with {words.percent(sample.confidence)} of the vote")
    st.caption(
        f"distance score {sample.distance_score:+.1f} sigma · sample {sample.source_index:,} · `{sample.sample_id}`"
    )
    if sample.judged:
        decision = colours.badge(colours.DECISION_COLOURS, sample.judged_decision)
        st.markdown(f"Judged: {decision} **{sample.judged_label}**")
    st.markdown("Nearest neighbours")
    chart = figures.neighbour_bars(sample.neighbours)
    st.plotly_chart(chart, key=f"neighbours-{sample.sample_id}", config={"displayModeBar": False})


def _actions(
    event: EventView, samples: Sequence[SampleView], sample: SampleView, key: str, name: str
) -> None:
    closed = event.closed or sample.judged
    known = review.known_labels(samples)
    columns = st.columns(2)
    for place, label in enumerate(review.label_choices(samples)):
        decision = review.decision_for(label, sample, known)
        columns[place % 2].button(
            label,
            shortcut=str(place + 1) if place < review.HOTKEY_COUNT else None,
            type="primary" if label == sample.predicted_label else "secondary",
            key=f"label-{label}-{sample.sample_id}",
            width="stretch",
            disabled=closed,
            on_click=_judge,
            args=(samples, sample.sample_id, decision, label, key, name),
        )
    new_label = st.text_input(
        "New class",
        key=f"new-{sample.sample_id}",
        max_chars=MAX_LABEL_CHARACTERS,
        disabled=closed,
        placeholder="bag",
    )
    row = st.columns(3)
    for column, word, shortcut, decision, label, ready in (
        (row[0], "Add new class", "N", "NEW_LABEL", new_label.strip(), bool(new_label.strip())),
        (row[1], "Not drift", "D", "NOT_DRIFT", "", True),
        (row[2], "Unusable", "U", "UNUSABLE", "", True),
    ):
        column.button(
            word,
            shortcut=shortcut,
            key=f"{decision}-{sample.sample_id}",
            width="stretch",
            disabled=closed or not ready,
            on_click=_judge,
            args=(samples, sample.sample_id, decision, label, key, name),
        )
    _arrows(samples, sample, key)


def _arrows(samples: Sequence[SampleView], sample: SampleView, key: str) -> None:
    row = st.columns(3)
    place = [one.sample_id for one in samples].index(sample.sample_id) + 1
    for column, word, shortcut, target in (
        (row[0], "Back", "Left", review.neighbour_of(samples, sample.sample_id, -1)),
        (row[1], "Skip", "S", review.next_open(samples, sample.sample_id)),
        (row[2], "Forward", "Right", review.neighbour_of(samples, sample.sample_id, +1)),
    ):
        column.button(
            word,
            shortcut=shortcut,
            key=f"{word}-{sample.sample_id}",
            width="stretch",
            on_click=st.session_state.__setitem__,
            args=(key, target),
        )
    st.caption(f"sample {place} of {len(samples)}")


def _judge(
    samples: Sequence[SampleView], sample_id: str, decision: str, label: str, key: str, name: str
) -> None:
    """Submits what was decided for the sample that was on screen, and moves on to the next open one."""
    try:
        hub().judge([VerdictView(sample_id=sample_id, reviewer=name, decision=decision, label=label)])
    except HubError as error:
        st.toast(str(error), icon=":material/error:")
        if error.reason == "UNAVAILABLE":
            return
    st.session_state[key] = review.next_open(samples, sample_id)


def _overview(samples: Sequence[SampleView]) -> None:
    shown = [sample for sample in samples if sample.has_image][:THUMBNAIL_COUNT]
    if not shown:
        return
    st.markdown("##### All samples of this event")
    for start in range(0, len(shown), THUMBNAILS_PER_ROW):
        row = st.columns(THUMBNAILS_PER_ROW)
        for column, sample in zip(row, shown[start : start + THUMBNAILS_PER_ROW], strict=False):
            mark = "✓ " if sample.judged else ""
            column.image(
                image(sample.sample_id),
                caption=f"{mark}{sample.judged_label or sample.predicted_label}",
                width="stretch",
            )
    if len(samples) > len(shown):
        st.caption(f"{len(shown)} of {len(samples)} shown")

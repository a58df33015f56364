"""One sample as a card: what the model saw and said, and the keys that judge it.

Everything that acts carries the sample id in its key and its arguments: a key pressed while the next sample is on
its way judges the sample that was on screen, never the one that comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from tinyboard.client.hub import HubError
from tinyboard.screens.common import card_picture, hub
from tinyboard.views import colours, figures, markup, review, words
from tinyboard.views.records import EventView, SampleView, VerdictView

MAX_LABEL_CHARACTERS = 64
PLAIN_CHART = {"displayModeBar": False}
FOCUS_SCRIPT = "<script>document.querySelector('.st-key-{key} input')?.focus()</script>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What judging one sample needs to know."""

    event: EventView
    samples: Sequence[SampleView]
    sample: SampleView
    choices: Sequence[str]
    reviewer: str

    @property
    def closed(self) -> bool:
        """Whether the server would refuse a verdict."""
        return self.event.closed or self.sample.judged

    def key(self, what: str) -> str:
        """Widget key that belongs to this sample alone."""
        return f"{what}-{self.sample.sample_id}"


def current(event: EventView, samples: Sequence[SampleView]) -> str:
    """Id of the sample on screen; "" when the event has none."""
    state = st.session_state
    judged_id = state.pop(f"judged-{event.drift_event_id}", "")
    if judged_id:  # chosen only now, from what the server says now: another reviewer may be at work
        _go(event, review.next_open(samples, judged_id))
    kept = str(state.get(_current_key(event), ""))
    return kept if any(sample.sample_id == kept for sample in samples) else review.first_shown(samples)


def show(event: EventView, samples: Sequence[SampleView], sample_id: str, reviewer: str) -> None:
    """The card of one sample."""
    desk = Desk(
        event=event,
        samples=samples,
        sample=next(sample for sample in samples if sample.sample_id == sample_id),
        choices=_choices(event, samples),
        reviewer=reviewer,
    )
    with st.container(border=True):
        picture, facts, actions = st.columns([4, 5, 6], gap="medium")
        with picture:
            _picture(desk)
        with facts:
            _facts(desk)
        with actions:
            _labels(desk)
            _decisions(desk)
            _new_class(desk)
            _arrows(desk)


def _current_key(event: EventView) -> str:
    return f"current-{event.drift_event_id}"


def _choices(event: EventView, samples: Sequence[SampleView]) -> tuple[str, ...]:
    key = f"choices-{event.drift_event_id}"
    st.session_state[key] = review.label_choices(samples, st.session_state.get(key, ()))
    return tuple(st.session_state[key])


def _picture(desk: Desk) -> None:
    sample = desk.sample
    content = card_picture(sample.sample_id) if sample.has_image else None
    with st.container(key="picture"):
        if content is not None:
            st.image(content, width="stretch", alt=f"predicted {sample.predicted_label}")
        else:
            reason = (
                "The picture cannot be shown." if sample.has_image else "This device sends features only."
            )
            st.caption(reason)
            st.plotly_chart(
                figures.feature_bars(sample.embedding), key=desk.key("features"), config=PLAIN_CHART
            )
    place = [one.sample_id for one in desk.samples].index(sample.sample_id) + 1
    st.caption(f"Sample {place} of {len(desk.samples)} · input {sample.source_index:,}")


def _facts(desk: Desk) -> None:
    sample = desk.sample
    colour_by_label = colours.by_label(desk.choices)
    st.html(
        markup.lead(sample.predicted_label, "what the model says")
        + markup.meter(sample.confidence, colour_by_label.get(sample.predicted_label, colours.HEX["gray"]))
        + markup.note(
            f"{words.percent(sample.confidence)} of the vote · distance {words.sigmas(sample.distance_score)}"
        )
    )
    chart = figures.neighbour_bars(sample.neighbours, colour_by_label)
    st.plotly_chart(chart, key=desk.key("neighbours"), config=PLAIN_CHART)


def _labels(desk: Desk) -> None:
    if desk.sample.judged:
        decision = colours.badge(colours.DECISION_COLOURS, desk.sample.judged_decision)
        st.markdown(f"Judged {decision} **{words.plain(desk.sample.judged_label)}**")
    elif desk.event.closed:
        st.markdown(":material/lock: This event is resolved; reopen it below to judge.")
    known = review.known_labels(desk.samples)
    columns = st.columns(2, gap="small")
    for place, label in enumerate(desk.choices):
        columns[place % 2].button(
            words.plain(label),
            shortcut=str(place + 1) if place < review.HOTKEY_COUNT else None,
            type="primary" if label == desk.sample.predicted_label else "secondary",
            key=desk.key(f"label-{label}"),
            width="stretch",
            disabled=desk.closed,
            on_click=_judge,
            args=(desk, review.decision_for(label, desk.sample, known), label),
        )


def _decisions(desk: Desk) -> None:
    row = st.columns(2, gap="small")
    for column, word, shortcut, decision in (
        (row[0], "Not drift", "D", "NOT_DRIFT"),
        (row[1], "Unusable", "U", "UNUSABLE"),
    ):
        column.button(
            word,
            shortcut=shortcut,
            key=desk.key(decision),
            width="stretch",
            disabled=desk.closed,
            on_click=_judge,
            args=(desk, decision, ""),
        )


def _new_class(desk: Desk) -> None:
    """A form, so that leaving the field half typed judges nothing."""
    field = desk.key("new")
    left, right = st.columns([5, 8], gap="small")
    left.button(
        "New class",
        shortcut="N",
        key=desk.key("name"),
        width="stretch",
        disabled=desk.closed,
        on_click=st.session_state.__setitem__,
        args=(desk.key("naming"), True),
    )
    with right.form(desk.key("form"), border=False), st.container(horizontal=True, gap="small"):
        st.text_input(
            "Name of the new class",
            key=field,
            max_chars=MAX_LABEL_CHARACTERS,
            disabled=desk.closed,
            placeholder="its name",
            label_visibility="collapsed",
        )
        st.form_submit_button("Add", disabled=desk.closed, on_click=_judge_new, args=(desk, field))
    if st.session_state.pop(desk.key("naming"), False):
        st.html(FOCUS_SCRIPT.format(key=field), unsafe_allow_javascript=True)


def _arrows(desk: Desk) -> None:
    sample_id, samples = desk.sample.sample_id, desk.samples
    for column, word, shortcut, target in zip(
        st.columns(3, gap="small"),
        ("Back", "Skip", "Next"),
        ("Left", "S", "Right"),
        (
            review.neighbour_of(samples, sample_id, -1),
            review.next_open(samples, sample_id),
            review.neighbour_of(samples, sample_id, +1),
        ),
        strict=True,
    ):
        column.button(
            word,
            shortcut=shortcut,
            key=desk.key(word),
            type="tertiary",
            width="stretch",
            on_click=_go,
            args=(desk.event, target),
        )


def _go(event: EventView, sample_id: str) -> None:
    st.session_state[_current_key(event)] = sample_id


def _judge_new(desk: Desk, field: str) -> None:
    label = review.spelled(st.session_state.get(field, ""), desk.choices)
    if label:
        _judge(desk, review.decision_for(label, desk.sample, review.known_labels(desk.samples)), label)


def _judge(desk: Desk, decision: str, label: str) -> None:
    """Submits what was decided for the sample that was on screen, and moves on to the next open one."""
    verdict = VerdictView(
        sample_id=desk.sample.sample_id, reviewer=desk.reviewer, decision=decision, label=label
    )
    try:
        hub().judge([verdict])
    except HubError as error:
        st.toast(words.plain(str(error)), icon=":material/error:")
        if error.reason != "SAMPLE_JUDGED":
            return
    st.session_state[f"judged-{desk.event.drift_event_id}"] = desk.sample.sample_id

"""One sample as a card: what the model saw and said, and the keys that judge it.

Everything that acts carries the sample id in its key and its arguments: a key pressed while the next sample is on
its way judges the sample that was on screen, never the one that comes.
"""

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from tinyboard.client.hub import HubError
from tinyboard.screens.common import card_picture, hub
from tinyboard.views import colours, figures, markup, pictures, review, words
from tinyboard.views.records import EventView, SampleView, VerdictView

MAX_LABEL_CHARACTERS = 64
REFUSALS = {
    "SAMPLE_JUDGED": "That sample was judged already; here is the next one.",
    "DRIFT_EVENT_CLOSED": "Somebody resolved this event; reopen it to go on.",
}
SAMPLES = "samples"
NAMING = "naming"
"""Set by the key that leads to the name field; of no one sample, as it judges nothing."""
PLAIN_CHART = {"displayModeBar": False}
FOCUS_SCRIPT = "<script>/* {moment} */ document.querySelector('.st-key-naming input')?.focus()</script>"
"""The moment makes it another script each time, or the browser would not run it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What judging one sample needs to know."""

    event: EventView
    samples: Sequence[SampleView]
    sample: SampleView
    choices: Sequence[str]
    known: frozenset[str]
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
        known=review.known_labels(samples),
        reviewer=reviewer,
    )
    with st.container(border=True, key=desk.key("card")):
        picture, facts, actions = st.columns([4, 5, 6], gap="medium")
        with picture:
            _picture(desk)
        with facts:
            _facts(desk)
        with actions:
            _keys(desk)


def _current_key(event: EventView) -> str:
    return f"current-{event.drift_event_id}"


def _choices(event: EventView, samples: Sequence[SampleView]) -> tuple[str, ...]:
    key = f"choices-{event.drift_event_id}"
    st.session_state[key] = review.label_choices(samples, st.session_state.get(key, ()))
    return tuple(st.session_state[key])


def _picture(desk: Desk) -> None:
    sample = desk.sample
    content, reason = _content(sample)
    with st.container(key="picture"):
        if content is not None:
            st.image(
                content,
                width="stretch",
                output_format=pictures.format_of(content),
                alt=f"predicted {sample.predicted_label}",
            )
        else:
            st.caption(reason)
            chart = figures.feature_bars(sample.embedding)
            st.plotly_chart(chart, key=desk.key("features"), config=PLAIN_CHART)
    place = [one.sample_id for one in desk.samples].index(sample.sample_id) + 1
    st.caption(f"Sample {place} of {len(desk.samples)} · input {sample.source_index:,}")


def _content(sample: SampleView) -> tuple[bytes | None, str]:
    """The picture, or None and why; the features are shown in its place."""
    if not sample.has_image:
        return None, "This device sends features only."
    try:
        return card_picture(sample.sample_id), "The picture cannot be shown."
    except HubError as error:
        if error.reason == "UNAVAILABLE":
            raise
        return None, f"No picture: {words.plain(str(error))}"


def _facts(desk: Desk) -> None:
    sample = desk.sample
    colour_by_label = colours.by_label(desk.choices)
    st.html(
        markup.lead(sample.predicted_label, "what the model says")
        + markup.meter(sample.confidence, colour_by_label.get(sample.predicted_label, "gray"))
        + markup.note(
            f"{words.percent(sample.confidence)} of the vote · distance {words.sigmas(sample.distance_score)}"
        )
    )
    st.html(
        markup.note("nearest neighbours and their distance")
        + markup.neighbours(sample.neighbours, colour_by_label)
    )


def _keys(desk: Desk) -> None:
    """Everything a reviewer can do; laid out as a grid by the style sheet, which is cheaper to draw than columns."""
    if desk.sample.judged:
        decision = colours.badge(colours.DECISION_COLOURS, desk.sample.judged_decision)
        st.markdown(f"Judged {decision} **{words.plain(desk.sample.judged_label)}**")
    elif desk.event.closed:
        st.markdown(":material/lock: This event is resolved; reopen it below to judge.")
    with st.container(key="decisions"):
        for number, label in enumerate(desk.choices, start=1):
            _decision(
                desk,
                label,
                shortcut=str(number) if number <= review.HOTKEY_COUNT else None,
                verdict=(review.decision_for(label, desk.sample, desk.known), label),
            )
        _decision(desk, "Not drift", shortcut="D", verdict=("NOT_DRIFT", ""))
        _decision(desk, "Unusable", shortcut="U", verdict=("UNUSABLE", ""))
    _new_class(desk)
    with st.container(key="arrows"):
        _arrows(desk)


def _decision(desk: Desk, word: str, *, shortcut: str | None, verdict: tuple[str, str]) -> None:
    _, label = verdict
    st.button(
        words.plain(word),
        shortcut=shortcut,
        type="primary" if label == desk.sample.predicted_label else "secondary",
        key=desk.key(f"label-{label}" if label else verdict[0]),
        width="stretch",
        disabled=desk.closed,
        on_click=_judge,
        args=(desk, *verdict),
    )


def _new_class(desk: Desk) -> None:
    """A form, so that leaving the field half typed judges nothing."""
    field = desk.key("new")
    with st.container(horizontal=True, wrap=False, gap="xsmall", key="naming"):
        st.button(
            "New class",
            shortcut="N",
            key=desk.key("name"),
            disabled=desk.closed,
            on_click=_ask_name,
        )
        with st.form(desk.key("form"), border=False), st.container(horizontal=True, wrap=False, gap="xsmall"):
            st.text_input(
                "Name of the new class",
                key=field,
                max_chars=MAX_LABEL_CHARACTERS,
                disabled=desk.closed,
                placeholder="its name",
                label_visibility="collapsed",
            )
            st.form_submit_button("Add", disabled=desk.closed, on_click=_judge_new, args=(desk, field))
    if moment := st.session_state.pop(NAMING, 0):
        st.html(FOCUS_SCRIPT.format(moment=moment), unsafe_allow_javascript=True)


def _ask_name() -> None:
    st.session_state[NAMING] = time.monotonic_ns()


def _arrows(desk: Desk) -> None:
    sample_id, samples = desk.sample.sample_id, desk.samples
    for word, shortcut, target in (
        ("Back", "Left", review.neighbour_of(samples, sample_id, -1)),
        ("Skip", "S", review.next_open(samples, sample_id)),
        ("Next", "Right", review.neighbour_of(samples, sample_id, +1)),
    ):
        st.button(
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
        _judge(desk, review.decision_for(label, desk.sample, desk.known), label)


def _judge(desk: Desk, decision: str, label: str) -> None:
    """Submits what was decided for the sample that was on screen, and moves on to the next open one."""
    verdict = VerdictView(
        sample_id=desk.sample.sample_id, reviewer=desk.reviewer, decision=decision, label=label
    )
    try:
        _remember_judged(desk, hub().judge([verdict]))
    except HubError as error:
        st.toast(REFUSALS.get(error.reason, words.plain(str(error))), icon=":material/error:")
        if error.reason != "SAMPLE_JUDGED":
            return
    st.session_state[f"judged-{desk.event.drift_event_id}"] = desk.sample.sample_id


def samples_version(event: EventView) -> Hashable:
    """The samples of an event change only when one arrives or is judged."""
    return event.drift_event_id, event.sample_count, event.judged_sample_count


def _remember_judged(desk: Desk, judged: Sequence[SampleView]) -> None:
    """Saves asking for a long list because one of it changed; if more did, the counts differ, and it is asked for."""
    by_id = {sample.sample_id: sample for sample in judged}
    samples = tuple(by_id.get(sample.sample_id, sample) for sample in desk.samples)
    event = replace(desk.event, judged_sample_count=review.progress(samples).judged_count)
    st.session_state[SAMPLES] = (samples_version(event), samples)

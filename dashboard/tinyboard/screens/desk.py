"""Judging: the samples of an event, the one at hand, the verdict on it, and which comes next.

Everything that acts carries the sample at hand in its arguments: a key pressed while the next sample is on its way
judges the sample that was on screen, never the one that comes.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens.common import hub, remembered
from tinyboard.views import review, words
from tinyboard.views.records import EventView, SampleView, VerdictView

REFUSALS = {
    "SAMPLE_JUDGED": "That sample was judged already; here is the next one.",
    "DRIFT_EVENT_CLOSED": "Somebody resolved this event; reopen it to go on.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One sample at hand, and what judging it needs to know."""

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


def samples_of(event: EventView) -> Sequence[SampleView]:
    """The samples of an event; asked for only when one arrived or was judged elsewhere."""
    return remembered("samples", _version(event), lambda: hub().samples(drift_event_id=event.drift_event_id))


def set_up(event: EventView, samples: Sequence[SampleView], reviewer: str) -> Desk:
    """The desk with the sample at hand; an event without samples has none."""
    sample_id = _current(event, samples)
    choices_key = f"choices-{event.drift_event_id}"
    choices = review.label_choices(samples, st.session_state.get(choices_key, ()))
    st.session_state[choices_key] = choices
    return Desk(
        event=event,
        samples=samples,
        sample=next(sample for sample in samples if sample.sample_id == sample_id),
        choices=choices,
        known=review.known_labels(samples),
        reviewer=reviewer,
    )


def go(event: EventView, sample_id: str) -> None:
    """Takes another sample at hand."""
    st.session_state[_current_key(event)] = sample_id


def judge(desk: Desk, decision: str, label: str) -> None:
    """Submits what was decided of the sample that was on screen, and moves on to the next open one."""
    verdict = VerdictView(
        sample_id=desk.sample.sample_id, reviewer=desk.reviewer, decision=decision, label=label
    )
    try:
        _remember_judged(desk, hub().judge([verdict]))
    except HubError as error:
        st.toast(REFUSALS.get(error.reason, words.plain(str(error))), icon=":material/error:")
        if error.reason != "SAMPLE_JUDGED":
            return
    st.session_state[_judged_key(desk.event)] = desk.sample.sample_id


def judge_new(desk: Desk, field: str) -> None:
    """Submits the class named in a text field; an empty one judges nothing."""
    label = review.spelled(st.session_state.get(field, ""), desk.choices)
    if label:
        judge(desk, review.decision_for(label, desk.sample, desk.known), label)


def _current(event: EventView, samples: Sequence[SampleView]) -> str:
    judged_id = st.session_state.pop(_judged_key(event), "")
    if judged_id:  # chosen only now, from what the server says now: another reviewer may be at work
        go(event, review.next_open(samples, judged_id))
    kept = str(st.session_state.get(_current_key(event), ""))
    return kept if any(sample.sample_id == kept for sample in samples) else review.first_shown(samples)


def _remember_judged(desk: Desk, judged: Sequence[SampleView]) -> None:
    """Saves asking for a long list because one of it changed; if more did, the counts tell, and it is asked for."""
    by_id = {sample.sample_id: sample for sample in judged}
    samples = tuple(by_id.get(sample.sample_id, sample) for sample in desk.samples)
    event = replace(desk.event, judged_sample_count=review.progress(samples).judged_count)
    st.session_state["samples"] = (_version(event), samples)


def _version(event: EventView) -> Hashable:
    """Samples change only when one arrives or is judged."""
    return event.drift_event_id, event.sample_count, event.judged_sample_count


def _current_key(event: EventView) -> str:
    return f"current-{event.drift_event_id}"


def _judged_key(event: EventView) -> str:
    return f"judged-{event.drift_event_id}"

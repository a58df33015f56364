"""When events change their state, and who is written down for it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.tinysphere.drift.builders import START, event_record
from tinysphere.domain.drift import DriftEvent, DriftEventState, EventProgress
from tinysphere.drift.lifecycle import advance, reopen, resolve, undo

OPEN, IN_REVIEW, RESOLVED = DriftEventState.OPEN, DriftEventState.IN_REVIEW, DriftEventState.RESOLVED
DONE = EventProgress(
    sample_count=2, judged_sample_count=2, verdict_count=2, feedback_count=2, acknowledged_feedback_count=2
)


def after(event: DriftEvent) -> DriftEvent:
    return advance(event, actor="camera-1", now=START)[0]


def recovered(event: DriftEvent) -> DriftEvent:
    return replace(event, recovery_time=START + timedelta(minutes=1), recovery_index=300)


@pytest.mark.parametrize(
    "progress",
    [
        EventProgress(),
        EventProgress(sample_count=3),
    ],
)
def test_an_event_without_verdicts_stays_open(progress: EventProgress) -> None:
    event = event_record(progress=progress)
    assert advance(event, actor="camera-1", now=START) == (event, ())


def test_the_first_verdict_takes_an_event_into_review() -> None:
    event = event_record(progress=EventProgress(sample_count=3, verdict_count=1))
    moved, (transition,) = advance(event, actor="ann", now=START)
    assert moved.state is IN_REVIEW
    assert (transition.from_state, transition.to_state, transition.actor) == (OPEN, IN_REVIEW, "ann")
    assert (transition.change_time, transition.reason) == (START, "first verdict")


@pytest.mark.parametrize(
    "missing",
    [
        {"judged_sample_count": 1},
        {"acknowledged_feedback_count": 1},
        {"sample_count": 3},
    ],
)
def test_an_event_stays_in_review_while_anything_is_missing(missing: dict[str, int]) -> None:
    assert after(event_record(state=IN_REVIEW, progress=replace(DONE, **missing))).state is IN_REVIEW


def test_an_event_is_resolved_when_all_is_judged_and_acknowledged() -> None:
    moved = after(event_record(state=IN_REVIEW, progress=DONE))
    assert moved.state is RESOLVED
    assert moved.resolution == "all samples judged (2) and all feedback acknowledged (by camera-1)"
    assert not moved.closed_by_hand


def test_recovery_resolves_an_event_without_samples_only() -> None:
    assert after(recovered(event_record())).state is RESOLVED
    assert after(recovered(event_record(progress=EventProgress(sample_count=1)))).state is OPEN


def test_an_event_that_comes_last_makes_up_for_every_step() -> None:
    moved, transitions = advance(event_record(progress=DONE), actor="server", now=START)
    assert moved.state is RESOLVED
    assert [transition.to_state for transition in transitions] == [IN_REVIEW, RESOLVED]


def test_more_samples_open_an_event_again_unless_a_person_closed_it() -> None:
    more = replace(DONE, sample_count=3)
    done = after(event_record(state=IN_REVIEW, progress=DONE))
    assert after(replace(done, progress=more)).state is IN_REVIEW
    assert after(replace(done, progress=more)).resolution == ""
    by_hand, _ = resolve(event_record(progress=DONE), reviewer="ann", reason="a test run", now=START)
    assert after(replace(by_hand, progress=more)).state is RESOLVED


def test_more_samples_open_a_recovered_event_without_samples() -> None:
    resolved = after(recovered(event_record()))
    assert after(replace(resolved, progress=EventProgress(sample_count=1))).state is OPEN


def test_a_person_resolves_once() -> None:
    moved, transitions = resolve(event_record(), reviewer="ann", reason="a test run", now=START)
    assert (moved.state, moved.resolution, moved.closed_by_hand) == (RESOLVED, "a test run (by ann)", True)
    assert [transition.actor for transition in transitions] == ["ann"]
    assert resolve(moved, reviewer="bob", reason="me too", now=START) == (moved, ())


@pytest.mark.parametrize(("verdict_count", "state"), [(0, OPEN), (1, IN_REVIEW)])
def test_reopening_returns_to_where_the_review_was(verdict_count: int, state: DriftEventState) -> None:
    event = event_record(progress=EventProgress(sample_count=2, verdict_count=verdict_count))
    resolved, _ = resolve(event, reviewer="ann", reason="a test run", now=START)
    moved, (transition,) = reopen(resolved, reviewer="bob", reason="it is real", now=START)
    assert (moved.state, moved.resolution, moved.closed_by_hand) == (state, "", False)
    assert (transition.from_state, transition.to_state, transition.actor) == (RESOLVED, state, "bob")
    assert reopen(moved, reviewer="bob", reason="again", now=START) == (moved, ())


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_judgement_taken_back_opens_any_event(by_hand: bool) -> None:
    resolved = replace(after(event_record(state=IN_REVIEW, progress=DONE)), closed_by_hand=by_hand)
    moved, (transition,) = undo(resolved, actor="ann", now=START)
    assert (moved.state, moved.resolution, moved.closed_by_hand) == (IN_REVIEW, "", False)
    assert (transition.actor, transition.reason) == ("ann", "a judgement was taken back")
    assert undo(moved, actor="ann", now=START) == (moved, ())

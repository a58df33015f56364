"""Undo by a new verdict, through real gRPC: judgements, feedback, progress and events follow."""

from typing import Any

import pytest

from tests.tinysphere.drift.builders import applied, event_message, sample_message, uuid, verdict_message
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refusal, refused
from tests.tinysphere.drift.test_reports import get_event, report_events, report_samples
from tests.tinysphere.drift.test_review_settings import agreement
from tests.tinysphere.drift.test_reviews import (
    IN_REVIEW,
    OPEN,
    RESOLVED,
    acknowledge,
    fetch,
    list_verdicts,
    resolve,
    submit,
)
from tinymlops.v1 import drift_pb2

NOTHING = refusal("FAILED_PRECONDITION", "NOTHING_TO_WITHDRAW")
JUDGED = refusal("FAILED_PRECONDITION", "SAMPLE_JUDGED")


def withdrawal(number: int, verdict: int = 50, **changes: Any) -> drift_pb2.Verdict:
    facts = {"decision": drift_pb2.DECISION_WITHDRAWN, "label": "", "sample_id": uuid(1000 + number)}
    return verdict_message(verdict, **{**facts, **changes})


def told(called: Called) -> list[tuple[str, str]]:
    """What the device has not answered yet: decision and label of each item."""
    return [
        (drift_pb2.Decision.Name(item.decision).removeprefix("DECISION_"), item.label)
        for item in fetch(called)
    ]


def answer_all(called: Called) -> None:
    acknowledge(called, *(applied(item.feedback_id) for item in fetch(called)))


def counts(called: Called) -> tuple[int, int, int]:
    event = get_event(called).drift_event
    return event.judged_sample_count, event.feedback_count, event.acknowledged_feedback_count


@pytest.fixture
def reviewed(called: Called) -> Called:
    """An event of camera-1 with two samples."""
    report_events(called, event_message())
    report_samples(called, sample_message(1), sample_message(2))
    return called


def test_a_withdrawn_verdict_opens_its_sample_and_the_device_forgets(reviewed: Called) -> None:
    submit(reviewed, verdict_message(1))
    (sample,) = submit(reviewed, withdrawal(1, note="a shoe, after all"))
    assert sample.state == drift_pb2.SAMPLE_STATE_OPEN
    assert (sample.judged_label, sample.judged_decision) == ("", drift_pb2.DECISION_UNSPECIFIED)
    assert told(reviewed) == [("NEW_LABEL", "bag"), ("UNUSABLE", "")]
    assert counts(reviewed) == (0, 2, 0)
    submit(reviewed, verdict_message(3, sample_id=uuid(1001), label="shoe"))
    assert told(reviewed) == [("NEW_LABEL", "bag"), ("UNUSABLE", ""), ("NEW_LABEL", "shoe")]
    assert counts(reviewed) == (1, 3, 0)
    assert [verdict.label for verdict in list_verdicts(reviewed)] == ["bag", "", "shoe"]


def test_a_repeated_withdrawal_changes_nothing(reviewed: Called) -> None:
    submit(reviewed, verdict_message(1))
    for _ in range(2):
        (sample,) = submit(reviewed, withdrawal(1))
        assert sample.state == drift_pb2.SAMPLE_STATE_OPEN
    assert len(told(reviewed)) == 2
    assert refused(submit, reviewed, withdrawal(1, verdict=51)) == NOTHING


def test_only_ones_own_verdict_can_be_withdrawn(reviewed: Called) -> None:
    assert refused(submit, reviewed, withdrawal(1)) == NOTHING
    submit(reviewed, verdict_message(1))
    assert refused(submit, reviewed, withdrawal(1, reviewer="bob")) == NOTHING
    assert refused(submit, reviewed, withdrawal(2)) == NOTHING
    assert refused(submit, reviewed, withdrawal(1, label="bag")) == invalid("verdicts[0].label")
    assert counts(reviewed) == (1, 1, 0)


def test_a_stale_verdict_is_told_and_one_may_change_ones_mind_in_one_request(reviewed: Called) -> None:
    submit(reviewed, verdict_message(1))
    other = verdict_message(3, sample_id=uuid(1001), label="shoe")
    assert refused(submit, reviewed, other) == JUDGED
    (_, sample) = submit(reviewed, withdrawal(1), other)
    assert sample.judged_label == "shoe"
    assert told(reviewed) == [("NEW_LABEL", "bag"), ("NEW_LABEL", "shoe")]
    assert counts(reviewed) == (1, 2, 0)


def test_an_undone_judgement_without_a_label_leaves_nothing_to_forget(reviewed: Called) -> None:
    submit(reviewed, verdict_message(1, decision=drift_pb2.DECISION_UNUSABLE, label=""))
    submit(reviewed, withdrawal(1))
    assert told(reviewed) == [("UNUSABLE", "")]
    assert counts(reviewed) == (0, 1, 0)


def test_a_resolved_event_opens_again(reviewed: Called) -> None:
    submit(reviewed, verdict_message(1), verdict_message(2))
    answer_all(reviewed)
    assert get_event(reviewed).drift_event.state == RESOLVED
    late = verdict_message(9, sample_id=uuid(1001), label="shoe")
    assert refused(submit, reviewed, late) == refusal("FAILED_PRECONDITION", "DRIFT_EVENT_CLOSED")
    submit(reviewed, withdrawal(1, reviewer="ann"))
    event = get_event(reviewed)
    assert (event.drift_event.state, event.drift_event.resolution) == (IN_REVIEW, "")
    last = event.transitions[-1]
    assert (last.from_state, last.to_state, last.actor) == (RESOLVED, IN_REVIEW, "ann")
    assert last.reason == "a judgement was taken back"
    submit(reviewed, late)
    assert get_event(reviewed).drift_event.state == IN_REVIEW  # the device has to hear of it first
    assert told(reviewed) == [("UNUSABLE", ""), ("NEW_LABEL", "shoe")]
    answer_all(reviewed)
    assert get_event(reviewed).drift_event.state == RESOLVED
    assert counts(reviewed) == (2, 4, 4)


def test_an_event_that_a_person_closed_opens_again_for_an_undone_judgement(reviewed: Called) -> None:
    submit(reviewed, verdict_message(1))
    resolve(reviewed)
    submit(reviewed, withdrawal(1))
    assert get_event(reviewed).drift_event.state == IN_REVIEW
    submit(reviewed, verdict_message(2))


def test_what_undoes_no_judgement_opens_no_event(reviewed: Called) -> None:
    cannot_tell = {"decision": drift_pb2.DECISION_CANNOT_TELL, "label": ""}
    submit(reviewed, verdict_message(8, sample_id=uuid(1001), reviewer="cy", **cannot_tell))
    submit(reviewed, verdict_message(1), verdict_message(2))
    answer_all(reviewed)
    (sample,) = submit(reviewed, withdrawal(1, reviewer="cy"))
    assert sample.judged_label == "bag"
    assert get_event(reviewed).drift_event.state == RESOLVED
    assert told(reviewed) == []


def test_who_cannot_tell_judges_nothing(reviewed: Called) -> None:
    cannot_tell = {"decision": drift_pb2.DECISION_CANNOT_TELL, "label": ""}
    (sample,) = submit(reviewed, verdict_message(1, **cannot_tell))
    assert sample.state == drift_pb2.SAMPLE_STATE_OPEN
    assert get_event(reviewed).drift_event.state == IN_REVIEW
    assert told(reviewed) == []
    (sample,) = submit(reviewed, verdict_message(2, sample_id=uuid(1001), reviewer="bob"))
    assert sample.judged_label == "bag"


def test_the_rest_may_still_decide(reviewed: Called) -> None:
    agreement(reviewed, 2, 3)
    by = {number: {"sample_id": uuid(1001), "reviewer": f"reviewer {number}"} for number in range(1, 4)}
    submit(reviewed, verdict_message(1, **by[1]), verdict_message(2, **by[2], label="shoe"))
    submit(reviewed, verdict_message(3, **by[3]))
    assert told(reviewed) == [("NEW_LABEL", "bag")]
    (sample,) = submit(reviewed, withdrawal(1, 50, **by[2]))
    assert sample.judged_label == "bag"
    assert told(reviewed) == [("NEW_LABEL", "bag")]
    (sample,) = submit(reviewed, withdrawal(1, 51, **by[1]))
    assert sample.state == drift_pb2.SAMPLE_STATE_OPEN
    assert told(reviewed) == [("NEW_LABEL", "bag"), ("UNUSABLE", "")]


def test_an_undone_judgement_may_become_another_one(reviewed: Called) -> None:
    agreement(reviewed, 1, 2)
    submit(reviewed, verdict_message(1))
    agreement(reviewed, 2, 2)
    submit(reviewed, withdrawal(1))
    both = {"sample_id": uuid(1001), "label": "shoe"}
    submit(reviewed, verdict_message(3, **both, reviewer="bob"), verdict_message(4, **both, reviewer="cy"))
    agreement(reviewed, 1, 2)
    (sample,) = submit(reviewed, withdrawal(1, 52, reviewer="bob"))
    assert sample.judged_label == "shoe"  # cy's word suffices by now
    assert told(reviewed) == [("NEW_LABEL", "bag"), ("UNUSABLE", ""), ("NEW_LABEL", "shoe")]


def test_an_event_without_verdicts_that_count_stays_in_review(reviewed: Called) -> None:
    assert get_event(reviewed).drift_event.state == OPEN
    submit(reviewed, verdict_message(1), withdrawal(1))
    assert get_event(reviewed).drift_event.state == IN_REVIEW
    assert told(reviewed) == []  # it never was judged in anybody's eyes
    assert counts(reviewed) == (0, 0, 0)

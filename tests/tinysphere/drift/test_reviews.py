"""Verdicts, resolving and reopening through real gRPC."""

from typing import Any

import pytest

from tests.tinysphere.drift.builders import (
    applied,
    event_message,
    sample_message,
    uuid,
    verdict_message,
)
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refusal, refused
from tests.tinysphere.drift.test_reports import get_event, list_samples, report_events, report_samples
from tinymlops.v1 import drift_pb2, drift_service_pb2, feedback_pb2, feedback_service_pb2

OPEN = drift_pb2.DRIFT_EVENT_STATE_OPEN
IN_REVIEW = drift_pb2.DRIFT_EVENT_STATE_IN_REVIEW
RESOLVED = drift_pb2.DRIFT_EVENT_STATE_RESOLVED


def submit(called: Called, *verdicts: drift_pb2.Verdict) -> list[drift_pb2.Sample]:
    request = drift_service_pb2.SubmitVerdictsRequest(verdicts=verdicts)
    return list(called.drift.SubmitVerdicts(request).samples)


def fetch(called: Called, device_id: str = "camera-1", **options: Any) -> list[feedback_pb2.FeedbackItem]:
    request = feedback_service_pb2.FetchFeedbackRequest(device_id=device_id, **options)
    return list(called.feedback.FetchFeedback(request).items)


def acknowledge(
    called: Called, *answers: feedback_pb2.FeedbackAcknowledgement, device_id: str = "camera-1"
) -> list[feedback_pb2.FeedbackItem]:
    request = feedback_service_pb2.AcknowledgeFeedbackRequest(device_id=device_id, acknowledgements=answers)
    return list(called.feedback.AcknowledgeFeedback(request).items)


def resolve(called: Called, number: int = 1, **changes: str) -> drift_pb2.DriftEvent:
    facts = {"drift_event_id": uuid(number), "reviewer": "ann", "reason": "a test run", **changes}
    return called.drift.ResolveDriftEvent(drift_service_pb2.ResolveDriftEventRequest(**facts)).drift_event


def reopen(called: Called, number: int = 1, **changes: str) -> drift_pb2.DriftEvent:
    facts = {"drift_event_id": uuid(number), "reviewer": "bob", "reason": "it is real", **changes}
    return called.drift.ReopenDriftEvent(drift_service_pb2.ReopenDriftEventRequest(**facts)).drift_event


def list_verdicts(called: Called, **filters: Any) -> list[drift_pb2.Verdict]:
    return list(called.drift.ListVerdicts(drift_service_pb2.ListVerdictsRequest(**filters)).verdicts)


@pytest.fixture
def reviewed(called: Called) -> Called:
    """An event of camera-1 with two samples, and one sample outside any event."""
    report_events(called, event_message())
    report_samples(called, sample_message(1), sample_message(2), sample_message(3, drift_event_id=""))
    return called


def test_a_verdict_judges_its_sample_and_makes_feedback(reviewed: Called) -> None:
    (sample,) = submit(reviewed, verdict_message(1, note="a handbag", confidence=0.8))
    assert sample.state == drift_pb2.SAMPLE_STATE_JUDGED
    assert (sample.judged_label, sample.judged_decision) == ("bag", drift_pb2.DECISION_NEW_LABEL)
    (verdict,) = list_verdicts(reviewed)
    assert verdict.HasField("submit_time")
    verdict.ClearField("submit_time")
    assert verdict == verdict_message(1, note="a handbag", confidence=0.8)
    (item,) = fetch(reviewed)
    assert (item.device_id, item.sequence, item.sample_id) == ("camera-1", 1, uuid(1001))
    assert (item.drift_event_id, item.label) == (uuid(1), "bag")
    assert item.decision == drift_pb2.DECISION_NEW_LABEL
    assert item.embedding == sample_message(1).embedding
    assert item.outcome == feedback_pb2.FEEDBACK_OUTCOME_UNSPECIFIED
    event = get_event(reviewed).drift_event
    assert (event.judged_sample_count, event.feedback_count, event.acknowledged_feedback_count) == (1, 1, 0)
    assert event.state == IN_REVIEW


@pytest.mark.parametrize(
    ("decision", "label", "judged_label"),
    [
        (drift_pb2.DECISION_CONFIRMED_LABEL, "coat", "coat"),
        (drift_pb2.DECISION_NOT_DRIFT, "", "shirt"),
        (drift_pb2.DECISION_UNUSABLE, "", ""),
    ],
)
def test_every_decision_reaches_the_device(
    reviewed: Called, decision: drift_pb2.Decision.ValueType, label: str, judged_label: str
) -> None:
    (sample,) = submit(reviewed, verdict_message(1, decision=decision, label=label))
    assert (sample.judged_decision, sample.judged_label) == (decision, judged_label)
    (item,) = fetch(reviewed)
    assert (item.decision, item.label) == (decision, judged_label)


def test_a_repeated_verdict_changes_nothing(reviewed: Called) -> None:
    first = submit(reviewed, verdict_message(1), verdict_message(1))
    assert [sample.state for sample in first] == [drift_pb2.SAMPLE_STATE_JUDGED] * 2
    acknowledge(reviewed, applied(fetch(reviewed)[0].feedback_id))
    resolve(reviewed)
    assert submit(reviewed, verdict_message(1)) == first[:1]  # also when the event is closed by now
    assert len(list_verdicts(reviewed)) == 1
    assert fetch(reviewed) == []


def test_samples_come_back_in_the_order_of_the_verdicts(reviewed: Called) -> None:
    samples = submit(reviewed, verdict_message(3), verdict_message(1), verdict_message(2))
    assert [sample.sample_id for sample in samples] == [uuid(1003), uuid(1001), uuid(1002)]
    assert [item.sample_id for item in fetch(reviewed)] == [uuid(1003), uuid(1001), uuid(1002)]
    assert [verdict.verdict_id for verdict in list_verdicts(reviewed)] == [uuid(2003), uuid(2001), uuid(2002)]


@pytest.mark.parametrize(
    "change",
    [
        {"label": "shoe"},
        {"reviewer": "bob"},
        {"sample_id": uuid(1002)},
        {"decision": drift_pb2.DECISION_UNUSABLE, "label": ""},
        {"note": "sure"},
        {"confidence": 0.5},
    ],
)
def test_a_verdict_id_is_one_judgement(reviewed: Called, change: dict[str, Any]) -> None:
    submit(reviewed, verdict_message(1))
    other = verdict_message(1, **change)
    assert refused(submit, reviewed, verdict_message(3), other) == refusal(
        "ALREADY_EXISTS", "VERDICT_CONFLICT"
    )
    assert len(list_verdicts(reviewed)) == 1


def test_somebody_was_faster(reviewed: Called) -> None:
    submit(reviewed, verdict_message(1))
    late = verdict_message(9, sample_id=uuid(1001), label="shoe")
    assert refused(submit, reviewed, verdict_message(2), late) == refusal(
        "FAILED_PRECONDITION", "SAMPLE_JUDGED"
    )
    assert len(list_verdicts(reviewed)) == len(fetch(reviewed)) == 1
    two = verdict_message(2), verdict_message(8, sample_id=uuid(1002))
    assert refused(submit, reviewed, *two) == refusal("FAILED_PRECONDITION", "SAMPLE_JUDGED")


def test_a_verdict_for_a_closed_event_is_refused_until_it_is_reopened(reviewed: Called) -> None:
    resolve(reviewed)
    assert refused(submit, reviewed, verdict_message(3), verdict_message(1)) == refusal(
        "FAILED_PRECONDITION", "DRIFT_EVENT_CLOSED"
    )
    assert list_verdicts(reviewed) == fetch(reviewed) == []
    reopen(reviewed)
    submit(reviewed, verdict_message(3), verdict_message(1))
    assert get_event(reviewed).drift_event.state == IN_REVIEW


def test_an_unknown_sample_is_not_found(reviewed: Called) -> None:
    for sample_id in (uuid(1009), "nope"):
        unknown = verdict_message(9, sample_id=sample_id)
        assert refused(submit, reviewed, verdict_message(1), unknown) == refusal(
            "NOT_FOUND", "SAMPLE_NOT_FOUND"
        )
    assert list_verdicts(reviewed) == []


def test_requests_of_verdicts_keep_their_limits(reviewed: Called) -> None:
    assert refused(submit, reviewed, verdict_message(1), verdict_message(2, label="")) == invalid(
        "verdicts[1].label"
    )
    assert list_verdicts(reviewed) == []
    assert refused(submit, reviewed) == invalid("verdicts")
    assert refused(submit, reviewed, *[verdict_message()] * 501) == invalid("verdicts")


def test_an_event_is_resolved_by_verdicts_and_answers(reviewed: Called) -> None:
    submit(reviewed, verdict_message(1))
    submit(reviewed, verdict_message(2, reviewer="bob"))
    first, second = fetch(reviewed)
    acknowledge(reviewed, applied(first.feedback_id))
    assert get_event(reviewed).drift_event.state == IN_REVIEW
    acknowledge(reviewed, applied(second.feedback_id))
    response = get_event(reviewed)
    assert response.drift_event.state == RESOLVED
    assert (response.drift_event.sample_count, response.drift_event.acknowledged_feedback_count) == (2, 2)
    changes = [(entry.from_state, entry.to_state, entry.actor) for entry in response.transitions]
    assert changes == [(OPEN, IN_REVIEW, "ann"), (IN_REVIEW, RESOLVED, "camera-1")]
    assert response.transitions[0].change_time.ToDatetime() < response.transitions[1].change_time.ToDatetime()


def test_more_samples_open_a_resolved_event_again(reviewed: Called) -> None:
    submit(reviewed, verdict_message(1), verdict_message(2))
    acknowledge(reviewed, *(applied(item.feedback_id) for item in fetch(reviewed)))
    report_samples(reviewed, sample_message(4))
    assert get_event(reviewed).drift_event.state == IN_REVIEW
    submit(reviewed, verdict_message(4))
    acknowledge(reviewed, *(applied(item.feedback_id) for item in fetch(reviewed)))
    assert get_event(reviewed).drift_event.state == RESOLVED


def test_verdicts_and_answers_may_come_before_the_event(called: Called) -> None:
    report_samples(called, sample_message(1))
    submit(called, verdict_message(1))
    acknowledge(called, applied(fetch(called)[0].feedback_id))
    report_events(called, event_message())
    response = get_event(called)
    assert response.drift_event.state == RESOLVED
    assert [entry.actor for entry in response.transitions] == ["server", "server"]


def test_resolving_and_reopening_by_hand_is_audited_and_idempotent(reviewed: Called) -> None:
    event = resolve(reviewed)
    assert (event.state, event.resolution) == (RESOLVED, "a test run (by ann)")
    assert resolve(reviewed, reviewer="bob", reason="me too") == event
    report_samples(reviewed, sample_message(5))
    assert get_event(reviewed).drift_event.state == RESOLVED  # a person said so
    event = reopen(reviewed)
    assert (event.state, event.resolution) == (OPEN, "")
    assert reopen(reviewed) == event
    changes = [(entry.to_state, entry.actor, entry.reason) for entry in get_event(reviewed).transitions]
    assert changes == [(RESOLVED, "ann", "a test run"), (OPEN, "bob", "it is real")]


@pytest.mark.parametrize("change", [resolve, reopen])
def test_changes_by_hand_are_checked(reviewed: Called, change: Any) -> None:
    assert refused(lambda: change(reviewed, 9)) == refusal("NOT_FOUND", "DRIFT_EVENT_NOT_FOUND")
    assert refused(lambda: change(reviewed, reviewer="")) == invalid("reviewer")
    assert refused(lambda: change(reviewed, reason="")) == invalid("reason")
    assert refused(lambda: change(reviewed, reason="x" * 1025)) == invalid("reason")


def test_samples_are_listed_by_their_state(reviewed: Called) -> None:
    submit(reviewed, verdict_message(1))
    request = drift_service_pb2.ListSamplesRequest(state=drift_pb2.SAMPLE_STATE_JUDGED)
    assert [sample.sample_id for sample in reviewed.drift.ListSamples(request).samples] == [uuid(1001)]
    assert len(list_samples(reviewed)) == 3

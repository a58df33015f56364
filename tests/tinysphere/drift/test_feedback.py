"""FeedbackService through real gRPC: at least once on the wire, exactly once in effect."""

from typing import Any

import pytest

from tests.tinysphere.drift.builders import (
    answered,
    applied,
    event_message,
    sample_message,
    uuid,
    verdict_message,
)
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refusal, refused
from tests.tinysphere.drift.test_reports import get_event, report_events, report_samples
from tests.tinysphere.drift.test_reviews import acknowledge, fetch, submit
from tinymlops.v1 import feedback_pb2, feedback_service_pb2

APPLIED = feedback_pb2.FEEDBACK_OUTCOME_APPLIED
REJECTED = feedback_pb2.FEEDBACK_OUTCOME_REJECTED
DEFERRED = feedback_pb2.FEEDBACK_OUTCOME_DEFERRED


@pytest.fixture
def fed(called: Called) -> Called:
    """Three items for camera-1 and one for camera-2."""
    report_events(called, event_message(), event_message(2, device_id="camera-2"))
    samples = [sample_message(number) for number in (1, 2, 3)]
    other = sample_message(4, device_id="camera-2", drift_event_id=uuid(2))
    report_samples(called, *samples, other)
    submit(called, *(verdict_message(number) for number in (1, 2, 3, 4)))
    return called


def list_feedback(called: Called, **filters: Any) -> feedback_service_pb2.ListFeedbackResponse:
    return called.feedback.ListFeedback(feedback_service_pb2.ListFeedbackRequest(**filters))


def test_items_are_handed_out_in_order_and_again(fed: Called) -> None:
    assert [item.sequence for item in fetch(fed)] == [1, 2, 3]
    assert fetch(fed) == fetch(fed)
    assert [item.sequence for item in fetch(fed, after_sequence=2)] == [3]
    assert [item.sequence for item in fetch(fed, "camera-2")] == [1]
    assert fetch(fed, "camera-9") == []


def test_a_page_says_whether_more_follow(fed: Called) -> None:
    for size, has_more in ((2, True), (3, False)):
        request = feedback_service_pb2.FetchFeedbackRequest(device_id="camera-1", page_size=size)
        response = fed.feedback.FetchFeedback(request)
        assert (len(response.items), response.has_more) == (size, has_more)


def test_a_final_answer_takes_an_item_off_and_leaves_no_gap(fed: Called) -> None:
    first, second, _ = fetch(fed)
    answers = applied(first.feedback_id), answered(second.feedback_id, REJECTED, "unusable: dropped")
    stored = acknowledge(fed, *answers)
    assert [item.outcome for item in stored] == [APPLIED, REJECTED]
    assert stored[0].effect == answers[0].effect
    assert stored[1].reason == "unusable: dropped"
    assert all(item.HasField("acknowledge_time") for item in stored)
    assert [item.sequence for item in fetch(fed)] == [3]


def test_a_deferred_item_stays_and_may_be_answered_again(fed: Called) -> None:
    item = fetch(fed)[0]
    for reason in ("too few labels", "still too few"):
        (stored,) = acknowledge(fed, answered(item.feedback_id, DEFERRED, reason))
        assert (stored.outcome, stored.reason) == (DEFERRED, reason)
    assert [entry.outcome for entry in fetch(fed)] == [DEFERRED, 0, 0]
    assert get_event(fed).drift_event.acknowledged_feedback_count == 0
    (stored,) = acknowledge(fed, applied(item.feedback_id))
    assert (stored.outcome, stored.reason) == (APPLIED, "")
    assert get_event(fed).drift_event.acknowledged_feedback_count == 1


def test_the_first_final_answer_stays(fed: Called) -> None:
    item = fetch(fed)[0]
    first = acknowledge(fed, applied(item.feedback_id))
    assert acknowledge(fed, applied(item.feedback_id)) == first
    assert acknowledge(fed, answered(item.feedback_id, REJECTED, "changed my mind")) == first
    assert acknowledge(fed, answered(item.feedback_id, DEFERRED, "later")) == first
    assert get_event(fed).drift_event.acknowledged_feedback_count == 1


def test_one_request_may_answer_an_item_twice(fed: Called) -> None:
    item = fetch(fed)[0]
    answers = [
        answered(item.feedback_id, DEFERRED, "later"),
        applied(item.feedback_id),
        answered(item.feedback_id, REJECTED, "no"),
    ]
    assert [entry.outcome for entry in acknowledge(fed, *answers)] == [APPLIED] * 3
    assert get_event(fed).drift_event.acknowledged_feedback_count == 1


def test_unknown_and_foreign_items_are_not_found_and_nothing_is_taken(fed: Called) -> None:
    own, foreign = fetch(fed)[0], fetch(fed, "camera-2")[0]
    for feedback_id in (foreign.feedback_id, uuid(9), "nope"):
        answers = applied(own.feedback_id), applied(feedback_id)
        assert refused(acknowledge, fed, *answers) == refusal("NOT_FOUND", "FEEDBACK_NOT_FOUND")
    assert len(fetch(fed)) == 3
    assert get_event(fed).drift_event.acknowledged_feedback_count == 0


def test_requests_of_devices_keep_their_limits(fed: Called) -> None:
    answers = applied(fetch(fed)[0].feedback_id), answered(uuid(9), REJECTED, "")
    assert refused(acknowledge, fed, *answers) == invalid("acknowledgements[1].reason")
    assert len(fetch(fed)) == 3
    assert refused(fetch, fed, "") == invalid("device_id")
    assert refused(lambda: fetch(fed, after_sequence=-1)) == invalid("after_sequence")
    assert refused(lambda: fetch(fed, page_size=501)) == invalid("page_size")
    assert refused(acknowledge, fed) == invalid("acknowledgements")
    assert refused(lambda: acknowledge(fed, applied(uuid(9)), device_id="?")) == invalid("device_id")


def test_items_are_listed_newest_first_for_people(fed: Called) -> None:
    acknowledge(fed, applied(fetch(fed)[0].feedback_id))
    first = list_feedback(fed, page_size=3)
    rest = list_feedback(fed, page_size=3, page_token=first.next_page_token)
    assert rest.next_page_token == ""
    found = [item.sample_id for item in (*first.items, *rest.items)]
    assert found == [uuid(1000 + number) for number in (4, 3, 2, 1)]
    assert rest.items[0].outcome == APPLIED
    assert len(list_feedback(fed, device_id="camera-1").items) == 3
    assert [item.sample_id for item in list_feedback(fed, drift_event_id=uuid(2)).items] == [uuid(1004)]

"""Pages, filters and statistics through real gRPC."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.tinysphere.drift.builders import (
    START,
    embedding_message,
    event_message,
    sample_message,
    timestamp,
    uuid,
    verdict_message,
)
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refusal, refused
from tests.tinysphere.drift.test_reports import report_events, report_samples
from tests.tinysphere.drift.test_reviews import resolve, submit
from tinymlops.v1 import drift_pb2, drift_service_pb2, feedback_service_pb2

GRPC_DEFAULT_MAX_BYTES = 4 * 1024 * 1024


def list_events(called: Called, **fields: Any) -> drift_service_pb2.ListDriftEventsResponse:
    return called.drift.ListDriftEvents(drift_service_pb2.ListDriftEventsRequest(**fields))


def list_samples(called: Called, **fields: Any) -> drift_service_pb2.ListSamplesResponse:
    return called.drift.ListSamples(drift_service_pb2.ListSamplesRequest(**fields))


def list_verdicts(called: Called, **fields: Any) -> drift_service_pb2.ListVerdictsResponse:
    return called.drift.ListVerdicts(drift_service_pb2.ListVerdictsRequest(**fields))


def list_feedback(called: Called, **fields: Any) -> feedback_service_pb2.ListFeedbackResponse:
    return called.feedback.ListFeedback(feedback_service_pb2.ListFeedbackRequest(**fields))


def test_events_come_newest_first_page_by_page(called: Called) -> None:
    for number in range(1, 6):
        report_events(called, event_message(number, device_id=f"camera-{number % 2}"))
    resolve(called, 4)
    found, token = [], ""
    while True:
        page = list_events(called, page_size=2, page_token=token)
        found += [event.drift_event_id for event in page.drift_events]
        token = page.next_page_token
        if not token:
            break
    assert found == [uuid(number) for number in (5, 4, 3, 2, 1)]
    odd = list_events(called, device_id="camera-1")
    assert [event.drift_event_id for event in odd.drift_events] == [uuid(5), uuid(3), uuid(1)]
    resolved = list_events(called, states=[drift_pb2.DRIFT_EVENT_STATE_RESOLVED])
    assert [event.drift_event_id for event in resolved.drift_events] == [uuid(4)]


def test_a_last_page_that_is_just_full_has_no_token(called: Called) -> None:
    report_events(called, event_message(1), event_message(2))
    assert list_events(called, page_size=2).next_page_token == ""


@pytest.mark.parametrize("list_page", [list_events, list_samples, list_verdicts, list_feedback])
def test_tokens_and_sizes_are_checked(called: Called, list_page: Callable[..., Any]) -> None:
    report_events(called, event_message(1), event_message(2))
    report_samples(called, sample_message(1), sample_message(2))
    submit(called, verdict_message(1), verdict_message(2))
    token = list_page(called, page_size=1).next_page_token
    assert list_page(called, page_size=1, page_token=token).next_page_token == ""
    bad = refusal("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")
    assert refused(lambda: list_page(called, page_token="x")) == bad
    other = {"sample_id": uuid(1)} if list_page is list_verdicts else {"device_id": "camera-1"}
    assert refused(lambda: list_page(called, page_token=token, **other)) == bad
    assert refused(lambda: list_page(called, page_size=501)) == invalid("page_size")


def test_filters_are_checked(called: Called) -> None:
    assert refused(lambda: list_events(called, states=[0])) == invalid("states[0]")
    assert refused(lambda: list_events(called, states=[1, 9])) == invalid("states[1]")
    assert refused(lambda: list_samples(called, state=9)) == invalid("state")
    assert refused(lambda: list_samples(called, drift_event_id="x" * 129)) == invalid("drift_event_id")
    assert list_samples(called, drift_event_id="nope").samples == []


def test_a_page_of_large_embeddings_stays_below_the_clients_limit(called: Called) -> None:
    large = embedding_message(*[0.5] * 4096)
    for start in (1, 151):
        numbers = range(start, start + 150)
        report_samples(called, *(sample_message(number, embedding=large) for number in numbers))
    found, token, sizes = [], "", []
    while True:
        page = list_samples(called, page_size=500, page_token=token)
        found += [sample.sample_id for sample in page.samples]
        sizes.append(page.ByteSize())
        token = page.next_page_token
        if not token:
            break
    assert found == [uuid(1000 + number) for number in range(1, 301)]
    assert len(sizes) == 2
    assert max(sizes) < GRPC_DEFAULT_MAX_BYTES


def test_an_answer_to_many_verdicts_on_large_embeddings_stays_below_it_too(called: Called) -> None:
    large = embedding_message(*[0.5] * 4096)
    for start in (1, 151):
        numbers = range(start, start + 150)
        report_samples(called, *(sample_message(number, embedding=large) for number in numbers))
    judged = submit(called, *(verdict_message(number) for number in range(1, 301)))
    assert [sample.judged_label for sample in judged] == ["bag"] * 300
    request = feedback_service_pb2.FetchFeedbackRequest(device_id="camera-1", page_size=500)
    response = called.feedback.FetchFeedback(request)
    assert response.has_more
    assert len(response.items[-1].embedding.values) == 4 * 4096


def test_statistics_count_what_occurs(called: Called) -> None:
    report_events(called, event_message(1), event_message(2), event_message(3, device_id="camera-2"))
    later = timestamp(START + timedelta(days=1))
    report_events(called, event_message(4, severity=0, detect_time=later))
    resolve(called, 2)

    def counts(**fields: Any) -> dict[tuple[int, int], int]:
        request = drift_service_pb2.GetDriftStatisticsRequest(**fields)
        rows = called.drift.GetDriftStatistics(request).counts
        assert {row.type for row in rows} <= {drift_pb2.DRIFT_TYPE_KNN_DISTANCE}
        return {(row.state, row.severity): row.event_count for row in rows}

    is_open, resolved = drift_pb2.DRIFT_EVENT_STATE_OPEN, drift_pb2.DRIFT_EVENT_STATE_RESOLVED
    high = drift_pb2.SEVERITY_HIGH
    assert counts() == {(is_open, high): 2, (resolved, high): 1, (is_open, 0): 1}
    assert counts(device_id="camera-2") == {(is_open, high): 1}
    assert counts(after_time=later) == {(is_open, 0): 1}
    assert counts(before_time=later, device_id="camera-1") == {(is_open, high): 1, (resolved, high): 1}

"""ReportDriftEvents and ReportSamples through real gRPC."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.tinysphere.drift.builders import (
    JPEG,
    PNG,
    START,
    embedding_message,
    event_message,
    recovered_message,
    sample_message,
    timestamp,
    uuid,
)
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import Refusal, invalid, refusal, refused
from tinymlops.v1 import device_pb2, drift_pb2, drift_service_pb2

PIECE_BYTES = 256 * 1024


def report_events(called: Called, *events: drift_pb2.DriftEvent) -> int:
    request = drift_service_pb2.ReportDriftEventsRequest(drift_events=events)
    return called.drift.ReportDriftEvents(request).created_count


def report_samples(called: Called, *samples: drift_pb2.Sample) -> int:
    return called.drift.ReportSamples(drift_service_pb2.ReportSamplesRequest(samples=samples)).created_count


def get_event(called: Called, number: int = 1) -> drift_service_pb2.GetDriftEventResponse:
    return called.drift.GetDriftEvent(drift_service_pb2.GetDriftEventRequest(drift_event_id=uuid(number)))


def list_samples(called: Called) -> list[drift_pb2.Sample]:
    return list(called.drift.ListSamples(drift_service_pb2.ListSamplesRequest()).samples)


def content(called: Called, number: int) -> list[drift_service_pb2.GetSampleContentResponse]:
    request = drift_service_pb2.GetSampleContentRequest(sample_id=uuid(1000 + number))
    return list(called.drift.GetSampleContent(request))


def test_an_event_is_taken_once_and_comes_back(called: Called) -> None:
    sent = event_message(cause=drift_pb2.DRIFT_CAUSE_NOVELTY, description="bag: unlike every known class")
    assert report_events(called, sent, event_message(2)) == 2
    assert report_events(called, event_message(detector="another"), event_message(3)) == 1
    event = get_event(called).drift_event
    assert event.state == drift_pb2.DRIFT_EVENT_STATE_OPEN
    assert event.HasField("receive_time")
    event.ClearField("state")
    event.ClearField("receive_time")
    assert event == sent


def test_a_recovery_is_added_and_then_stays(called: Called) -> None:
    report_events(called, event_message())
    report_samples(called, sample_message())
    assert report_events(called, recovered_message(statistic=99.0)) == 0
    report_events(called, event_message(recovery_time=timestamp(START + timedelta(days=1)), recovery_index=9))
    event = get_event(called).drift_event
    assert event.recovery_time == timestamp(START + timedelta(seconds=60))
    assert (event.recovery_index, event.statistic) == (300, 31.5)
    assert event.state == drift_pb2.DRIFT_EVENT_STATE_OPEN  # its sample is worth a label


def test_one_request_may_hold_an_event_and_its_recovery(called: Called) -> None:
    assert report_events(called, event_message(), recovered_message()) == 1
    response = get_event(called)
    assert response.drift_event.recovery_index == 300
    assert response.drift_event.state == drift_pb2.DRIFT_EVENT_STATE_RESOLVED
    (transition,) = response.transitions
    assert (transition.actor, transition.reason) == ("camera-1", "recovered, and no samples to judge")
    assert response.drift_event.resolution == "recovered, and no samples to judge (by camera-1)"


def test_samples_open_an_event_again_that_recovered_without_any(called: Called) -> None:
    report_events(called, recovered_message())
    report_samples(called, sample_message())
    response = get_event(called)
    assert response.drift_event.state == drift_pb2.DRIFT_EVENT_STATE_OPEN
    assert response.drift_event.resolution == ""
    assert [transition.reason for transition in response.transitions] == [
        "recovered, and no samples to judge",
        "more samples arrived",
    ]


@pytest.mark.parametrize("events_first", [True, False])
def test_samples_are_counted_whichever_comes_first(called: Called, events_first: bool) -> None:
    moved = sample_message(1, drift_event_id="")  # the first of an id counts
    steps: list[Callable[[], int]] = [
        lambda: report_events(called, event_message()),
        lambda: report_samples(called, sample_message(1), sample_message(2), moved),
        lambda: report_samples(called, sample_message(2), sample_message(3, drift_event_id="")),
    ]
    created = [step() for step in (steps if events_first else steps[1:] + steps[:1])]
    assert sorted(created) == [1, 1, 2]
    assert get_event(called).drift_event.sample_count == 2


def test_a_sample_comes_back_without_its_picture(called: Called) -> None:
    sent = sample_message(image=PNG, image_format=drift_pb2.IMAGE_FORMAT_PNG)
    report_samples(called, sent)
    (sample,) = list_samples(called)
    assert sample.state == drift_pb2.SAMPLE_STATE_OPEN
    sent.ClearField("image")
    sent.state = drift_pb2.SAMPLE_STATE_OPEN
    assert sample == sent


def test_a_picture_comes_in_pieces(called: Called) -> None:
    report_samples(
        called,
        sample_message(1, image=PNG, image_format=drift_pb2.IMAGE_FORMAT_PNG),
        sample_message(2, image=JPEG, image_format=drift_pb2.IMAGE_FORMAT_JPEG),
    )
    pieces = content(called, 1)
    assert b"".join(piece.data for piece in pieces) == PNG
    assert [len(piece.data) for piece in pieces] == [PIECE_BYTES, len(PNG) - PIECE_BYTES]
    assert {piece.image_format for piece in pieces} == {drift_pb2.IMAGE_FORMAT_PNG}
    assert [piece.data for piece in content(called, 2)] == [JPEG]


def test_missing_pictures_are_told_apart(called: Called) -> None:
    report_samples(called, sample_message())
    assert refused(content, called, 1) == refusal("FAILED_PRECONDITION", "SAMPLE_WITHOUT_CONTENT")
    assert refused(content, called, 2) == refusal("NOT_FOUND", "SAMPLE_NOT_FOUND")


def test_a_refused_request_leaves_no_row_but_may_leave_a_picture(called: Called) -> None:
    picture = sample_message(1, image=PNG, image_format=drift_pb2.IMAGE_FORMAT_PNG)
    odd = sample_message(2, embedding=embedding_message(1.0, 2.0, 3.0))
    assert refused(report_samples, called, picture, odd) == invalid("samples[1].embedding.dimension_count")
    assert list_samples(called) == []
    assert called.blobs.size(hashlib.sha256(PNG).hexdigest()) == len(PNG)  # stored before any row


def test_the_first_sample_fixes_the_dimension_of_its_feature_space(called: Called) -> None:
    other_space = "c" * 64
    report_samples(called, sample_message(1))
    three = embedding_message(1.0, 2.0, 3.0)
    field = "samples[0].embedding.dimension_count"
    assert refused(report_samples, called, sample_message(2, embedding=three)) == invalid(field)
    model = device_pb2.ModelReference(feature_space=other_space)
    elsewhere = embedding_message(1.0, 2.0, 3.0, feature_space=other_space)
    assert report_samples(called, sample_message(3, embedding=elsewhere, model=model)) == 1


def test_another_devices_ids_are_refused(called: Called) -> None:
    report_events(called, event_message())
    report_samples(called, sample_message())
    stolen = event_message(device_id="camera-2")
    assert refused(report_events, called, event_message(2), stolen) == refusal(
        "ALREADY_EXISTS", "DRIFT_EVENT_CONFLICT"
    )
    assert refused(get_event, called, 2) == refusal("NOT_FOUND", "DRIFT_EVENT_NOT_FOUND")
    stolen_sample = sample_message(device_id="camera-2", drift_event_id="")
    assert refused(report_samples, called, sample_message(2), stolen_sample) == refusal(
        "ALREADY_EXISTS", "SAMPLE_CONFLICT"
    )
    misplaced = sample_message(3, device_id="camera-2")
    assert refused(report_samples, called, misplaced) == invalid("samples[0].drift_event_id")
    assert len(list_samples(called)) == 1


def test_a_wrong_field_is_named_and_nothing_is_taken(called: Called) -> None:
    wrong_event = event_message(2, detector="")
    assert refused(report_events, called, event_message(), wrong_event) == invalid("drift_events[1].detector")
    assert refused(get_event, called) == refusal("NOT_FOUND", "DRIFT_EVENT_NOT_FOUND")
    wrong_sample = sample_message(2, confidence=1.5)
    assert refused(report_samples, called, sample_message(), wrong_sample) == invalid("samples[1].confidence")
    assert list_samples(called) == []


def test_requests_keep_their_limits(called: Called) -> None:
    too_many_events = [event_message(number) for number in range(1, 102)]
    picture = {"image": PNG + bytes(700 * 1024), "image_format": drift_pb2.IMAGE_FORMAT_PNG}
    too_large = [sample_message(number, **picture) for number in range(1, 6)]
    wrong: list[tuple[Refusal, str]] = [
        (refused(report_events, called), "drift_events"),
        (refused(report_events, called, *too_many_events), "drift_events"),
        (refused(report_samples, called), "samples"),
        (refused(report_samples, called, *[sample_message()] * 501), "samples"),
        (refused(report_samples, called, *too_large), "samples"),
    ]
    assert [found for found, _ in wrong] == [invalid(field) for _, field in wrong]


def test_bytes_that_are_no_message_are_the_callers_fault(called: Called) -> None:
    for method in ("DriftService/ReportSamples", "FeedbackService/AcknowledgeFeedback"):
        call = called.channel.unary_unary(f"/tinymlops.v1.{method}")
        assert refused(call, b"\xff\xff\xff") == refusal("INVALID_ARGUMENT", "MALFORMED_REQUEST")

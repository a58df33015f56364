"""AdaptationService through real gRPC."""

import math
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.tinysphere.drift.builders import adaptation_message, effect_message, uuid
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refusal, refused
from tinymlops.v1 import adaptation_pb2, adaptation_service_pb2, device_pb2

REFUSED = adaptation_pb2.ADAPTATION_STATE_REFUSED
CONFIRMED = adaptation_pb2.ADAPTATION_STATE_CONFIRMED


def report(called: Called, *adaptations: adaptation_pb2.Adaptation) -> int:
    request = adaptation_service_pb2.ReportAdaptationsRequest(adaptations=adaptations)
    return called.adaptations.ReportAdaptations(request).created_count


def page(called: Called, **fields: Any) -> adaptation_service_pb2.ListAdaptationsResponse:
    return called.adaptations.ListAdaptations(adaptation_service_pb2.ListAdaptationsRequest(**fields))


def ids(called: Called, **fields: Any) -> list[str]:
    return [one.adaptation_id for one in page(called, **fields).adaptations]


def test_what_is_reported_is_listed(called: Called) -> None:
    full = adaptation_message(1, reason="all is well", description="ü" * 1024, sample_ids=["x"] * 500)
    bare = adaptation_pb2.Adaptation(
        adaptation_id=uuid(2),
        device_id="camera-1",
        model=device_pb2.ModelReference(),
        kind=adaptation_pb2.ADAPTATION_KIND_SENSOR_CORRECTION,
        state=REFUSED,
        decide_time=full.decide_time,
    )
    assert report(called, full, bare) == 2
    found = {one.adaptation_id: one for one in page(called).adaptations}
    for sent in (full, bare):
        kept = found[sent.adaptation_id]
        assert kept.receive_time.seconds > 0
        kept.ClearField("receive_time")
        assert kept == sent


def test_a_later_state_replaces_state_reason_and_figures(called: Called) -> None:
    report(called, adaptation_message())
    (before,) = page(called).adaptations
    later = adaptation_message(
        state=CONFIRMED, reason="no harm in 250 frames", effect=effect_message(stream_sample_count=500)
    )
    later.decide_time.seconds += 60
    assert report(called, later) == 0
    (after,) = page(called).adaptations
    assert after.receive_time == before.receive_time
    after.ClearField("receive_time")
    assert after == later
    assert report(called, adaptation_message()) == 0
    assert page(called).adaptations[0].state == CONFIRMED


def test_another_devices_id_is_a_conflict(called: Called) -> None:
    report(called, adaptation_message())
    stranger = adaptation_message(device_id="camera-2", state=CONFIRMED)
    assert refused(report, called, adaptation_message(2), stranger) == refusal(
        "ALREADY_EXISTS", "ADAPTATION_CONFLICT"
    )
    assert ids(called) == [uuid(9001)]


def test_adaptations_come_newest_first_page_by_page(called: Called) -> None:
    for number in range(1, 6):
        report(
            called,
            adaptation_message(number, device_id=f"camera-{number % 2}", drift_event_id=uuid(number % 3)),
        )
    found, token = [], ""
    while True:
        answer = page(called, page_size=2, page_token=token)
        found.append([one.adaptation_id for one in answer.adaptations])
        token = answer.next_page_token
        if not token:
            break
    assert found == [[uuid(9005), uuid(9004)], [uuid(9003), uuid(9002)], [uuid(9001)]]
    assert ids(called, device_id="camera-1") == [uuid(9005), uuid(9003), uuid(9001)]
    assert ids(called, drift_event_id=uuid(2)) == [uuid(9005), uuid(9002)]
    assert ids(called, device_id="camera-1", drift_event_id=uuid(2)) == [uuid(9005)]
    assert ids(called, device_id="nobody") == []


def test_tokens_and_sizes_are_checked(called: Called) -> None:
    report(called, adaptation_message(1), adaptation_message(2))
    token = page(called, page_size=1).next_page_token
    assert ids(called, page_token=token) == [uuid(9001)]
    bad = refusal("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")
    assert refused(lambda: page(called, page_token="x")) == bad
    assert refused(lambda: page(called, page_token=token, device_id="camera-1")) == bad
    assert refused(lambda: page(called, page_size=501)) == invalid("page_size")
    assert refused(lambda: page(called, device_id="x" * 129)) == invalid("device_id")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("adaptation_id", {"adaptation_id": ""}),
        ("adaptation_id", {"adaptation_id": "A" * 36}),
        ("device_id", {"device_id": "UPPER"}),
        ("model.model_name", {"model": device_pb2.ModelReference(model_name="x" * 129)}),
        ("kind", {"kind": 0}),
        ("kind", {"kind": 99}),
        ("state", {"state": 0}),
        ("state", {"state": 99}),
        ("drift_event_id", {"drift_event_id": "no id"}),
        ("description", {"description": "x" * 1025}),
        ("description", {"description": "a\0b"}),
        ("reason", {"reason": "x" * 1025}),
        ("sample_ids", {"sample_ids": ["x"] * 501}),
        ("sample_ids[1]", {"sample_ids": ["x", ""]}),
        ("sample_ids[0]", {"sample_ids": ["x" * 129]}),
        ("decide_time", {"decide_time": None}),
        ("decide_time", {"decide_time": Timestamp(seconds=-1)}),
        ("effect", {"effect": None}),
        ("effect.adaptation_id", {"effect": effect_message(2)}),
        ("effect.judged_accuracy_after", {"effect": effect_message(judged_accuracy_after=1.01)}),
        ("effect.reference_accuracy_before", {"effect": effect_message(reference_accuracy_before=-0.1)}),
        ("effect.propagated_sample_count", {"effect": effect_message(propagated_sample_count=-1)}),
        ("effect.stream_distance_before", {"effect": effect_message(stream_distance_before=math.nan)}),
        ("effect.stream_distance_after", {"effect": effect_message(stream_distance_after=math.inf)}),
        ("effect.stream_sample_count", {"effect": effect_message(stream_sample_count=-1)}),
        ("effect.commit_time", {"effect": effect_message(commit_time=None)}),
    ],
)
def test_fields_keep_to_their_limits(called: Called, field: str, changes: dict[str, Any]) -> None:
    good, bad = adaptation_message(2), adaptation_message(1, **changes)
    assert refused(report, called, good, bad) == invalid(f"adaptations[1].{field}")
    assert ids(called) == []


def test_a_request_holds_1_to_100_adaptations(called: Called) -> None:
    assert refused(report, called) == invalid("adaptations")
    many = [adaptation_message(number) for number in range(101)]
    assert refused(report, called, *many) == invalid("adaptations")
    assert report(called, *many[:100]) == 100

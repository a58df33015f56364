"""One suite for the real hub over gRPC and for the fake one the screens are tested with."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from demo.processes import free_address
from tests.fakes.hub import FakeHub
from tests.support.fleet import Fleet
from tests.support.telemetry import put_package, send_telemetry
from tests.support.waiting import eventually
from tests.tinyboard.client.worlds import World, told
from tests.tinyboard.conftest import Targets
from tests.tinysphere.ingestion.builders import describe
from tinyboard.client import convert
from tinyboard.client.calls import HubError
from tinyboard.client.hub import GrpcHub
from tinyboard.views.drift_records import EventFilter
from tinyboard.views.records import VerdictView
from tinymlops.v1 import (
    device_service_pb2,
    drift_service_pb2,
)


def test_shows_what_the_device_told(world: World) -> None:
    (device,) = [one for one in world.hub.devices() if one.device_id == world.device_id]
    assert (device.title, device.location, device.mode) == ("Gate", (0.0, 0.0), "VALIDATED_LEARNING")
    assert (device.prediction_count, device.quarantine_count) == (7, 3)
    assert (device.connectivity, device.drifting) == ("ONLINE", True)
    event = world.event()
    assert (event.severity, event.cause, event.state, event.sample_count) == ("HIGH", "NOVELTY", "OPEN", 3)
    for sample in world.samples():
        assert sample.has_image
        assert world.hub.image(sample.sample_id).startswith(b"\x89PNG")
        assert len(sample.embedding) == 64
        assert len(sample.neighbours) == 5
        assert (sample.state, sample.judged_label) == ("OPEN", "")


def test_events_are_narrowed_by_state_device_and_number(world: World) -> None:
    def found(*, limit: int = 100, **filters: Any) -> list[str]:
        return [one.drift_event_id for one in world.hub.events(EventFilter(**filters), limit=limit)]

    assert found(device_id=world.device_id) == [world.drift_event_id]
    assert world.drift_event_id in found(states=("OPEN",))
    assert world.drift_event_id not in found(states=("RESOLVED",))
    assert len(found(limit=1)) == 1


def test_a_verdict_judges_and_makes_feedback(world: World) -> None:
    world.hub.judge([world.verdict(0)])
    judged = world.samples()[0]
    assert (judged.state, judged.judged_label, judged.judged_decision) == ("JUDGED", "bag", "NEW_LABEL")
    event = world.event()
    assert (event.state, event.judged_sample_count, event.feedback_count) == ("IN_REVIEW", 1, 1)
    (item,) = world.hub.feedback(drift_event_id=world.drift_event_id)
    assert (item.label, item.decision, item.outcome, item.effect) == ("bag", "NEW_LABEL", "", None)
    (change,) = world.hub.event(world.drift_event_id)[1]
    assert (change.from_state, change.to_state, change.actor) == ("OPEN", "IN_REVIEW", "ada")


def test_not_drift_keeps_the_predicted_label(world: World) -> None:
    world.hub.judge([world.verdict(0, "NOT_DRIFT", "")])
    judged = world.samples()[0]
    assert judged.judged_label == judged.predicted_label


def test_unusable_has_no_label(world: World) -> None:
    world.hub.judge([world.verdict(0, "UNUSABLE", "")])
    judged = world.samples()[0]
    assert (judged.judged_label, judged.judged_decision) == ("", "UNUSABLE")


def test_repeating_a_verdict_is_harmless(world: World) -> None:
    verdict = world.verdict(0)
    world.hub.judge([verdict])
    world.hub.judge([verdict])
    assert world.event().feedback_count == 1


def test_another_verdict_on_a_judged_sample_is_refused(world: World) -> None:
    world.hub.judge([world.verdict(0)])
    with pytest.raises(HubError) as refused:
        world.hub.judge([world.verdict(0, "UNUSABLE", "")])
    assert refused.value.reason == "SAMPLE_JUDGED"


def test_a_resolved_event_takes_no_verdict_until_it_is_reopened(world: World) -> None:
    world.hub.resolve(world.drift_event_id, reviewer="ada", reason="a parade")
    assert world.event().closed
    assert "a parade" in world.event().resolution
    with pytest.raises(HubError) as refused:
        world.hub.judge([world.verdict(0)])
    assert refused.value.reason == "DRIFT_EVENT_CLOSED"
    world.hub.reopen(world.drift_event_id, reviewer="ada", reason="no parade")
    world.hub.judge([world.verdict(0)])
    assert world.event().judged_sample_count == 1


def test_answers_of_the_device_are_counted(world: World) -> None:
    world.hub.judge([world.verdict(place) for place in range(3)])
    world.answer()
    event = world.event()
    assert (event.feedback_count, event.acknowledged_feedback_count) == (3, 3)
    assert {one.outcome for one in world.hub.feedback(device_id=world.device_id)} == {"APPLIED"}
    assert event.state == "RESOLVED"


def test_a_mode_is_changed_for_one_device(world: World) -> None:
    world.hub.change_mode(world.device_id, "MONITORING_ONLY")
    world.hub.change_mode(world.device_id, "MONITORING_ONLY")
    assert {one.mode for one in world.hub.devices() if one.device_id == world.device_id} == {
        "MONITORING_ONLY"
    }
    with pytest.raises(HubError) as refused:
        world.hub.change_mode("camera-nobody-knows", "CENTRALIZED")
    assert refused.value.reason == "DEVICE_NOT_FOUND"


def test_what_the_device_learnt_is_its_lineage(world: World) -> None:
    assert world.hub.adaptations(device_id=world.device_id) == ()
    world.hub.judge([world.verdict(place) for place in range(3)])
    world.answer()
    (made,) = world.hub.adaptations(drift_event_id=world.drift_event_id)
    assert world.hub.adaptations(device_id=world.device_id, limit=1) == (made,)
    assert (made.kind, made.state, made.sample_count) == ("HUMAN_LABELS", "COMMITTED", 3)
    (effect,) = {one.effect for one in world.hub.feedback(drift_event_id=world.drift_event_id)}
    assert made.effect == effect
    assert effect is not None
    assert effect.judged_sample_count == 3
    assert world.hub.adaptations(device_id="camera-nobody-knows") == ()


def test_an_unknown_event_is_said_to_be_unknown(world: World) -> None:
    with pytest.raises(HubError) as refused:
        world.hub.event(str(uuid.uuid4()))
    assert refused.value.reason == "DRIFT_EVENT_NOT_FOUND"


def test_a_package_that_failed_is_shown_and_tried_again(world: World, targets: Targets) -> None:
    package_id = send_broken_package(targets, world.device_id)
    real = GrpcHub(targets.ingestion, targets.drift, targets.distribution)
    eventually(lambda: real.packages(device_id=world.device_id, state="FAILED"))
    if isinstance(world.hub, FakeHub):
        world.hub.add(packages=real.packages(device_id=world.device_id))
    (failed,) = world.hub.packages(device_id=world.device_id, state="FAILED", limit=1)
    assert (failed.package_id, failed.error_reason, failed.steps) == (package_id, "ARCHIVE_CORRUPT", ())
    assert world.hub.packages(device_id=world.device_id, state="PROCESSED") == ()
    world.hub.retry(package_id)
    (tried,) = world.hub.packages(device_id=world.device_id)
    assert tried.package_id == package_id


def test_a_package_that_did_not_fail_is_not_tried_again(world: World) -> None:
    with pytest.raises(HubError):
        world.hub.retry(str(uuid.uuid4()))


def test_metrics_and_logs_of_a_package_are_shown(targets: Targets) -> None:
    device_id = f"camera-{uuid.uuid4()}"
    Fleet(targets.ingestion, targets.drift).report((told(device_id),))
    now = datetime.now(UTC).replace(microsecond=0)
    send_telemetry(
        targets.ingestion,
        device_id,
        now,
        measured=[("latency_ms.p95", now - timedelta(minutes=ago), float(ago)) for ago in (3, 2, 1)],
        logged=[(now, "INFO", "link is back"), (now, "ERROR", "disk full")],
    )
    hub = GrpcHub(targets.ingestion, targets.drift, targets.distribution)
    eventually(lambda: hub.packages(device_id=device_id, state="PROCESSED"))

    assert hub.metric_names(device_id) == ("latency_ms.p95",)
    shown = hub.series(
        device_id,
        "latency_ms.p95",
        start_time=now - timedelta(hours=1),
        end_time=now + timedelta(minutes=1),
        step=timedelta(minutes=1),
    )
    assert [value for _, value in shown.points] == [3.0, 2.0, 1.0]
    assert (
        hub.series(
            device_id, "unknown", start_time=now - timedelta(hours=1), end_time=now, step=timedelta(minutes=1)
        ).points
        == ()
    )
    assert {line.message for line in hub.logs(device_id=device_id)} == {"link is back", "disk full"}
    assert [line.level for line in hub.logs(device_id=device_id, minimum_level="WARNING")] == ["ERROR"]
    assert [line.message for line in hub.logs(device_id=device_id, text="link")] == ["link is back"]


def send_broken_package(targets: Targets, device_id: str) -> str:
    """Sends what no archive is; returns its id."""
    content = b"no archive"
    descriptor = describe(content, device_id=device_id)
    put_package(targets.ingestion, descriptor, content)
    return descriptor.package_id


def test_every_page_of_a_long_list_is_read(targets: Targets) -> None:
    story = told(f"camera-{uuid.uuid4()}")
    fleet = Fleet(targets.ingestion, targets.drift)
    fleet.report((story,))
    (first, *_rest) = fleet.drift.ListSamples(
        drift_service_pb2.ListSamplesRequest(drift_event_id=story.drift_event_id), timeout=5
    ).samples
    copies = [type(first).FromString(first.SerializeToString()) for _ in range(250)]
    for copy in copies:
        copy.sample_id = str(uuid.uuid4())
        copy.ClearField("image_format")
    fleet.drift.ReportSamples(drift_service_pb2.ReportSamplesRequest(samples=copies), timeout=5)
    samples = GrpcHub(targets.ingestion, targets.drift, targets.distribution).samples(
        drift_event_id=story.drift_event_id
    )
    assert len({one.sample_id for one in samples}) == 253


def test_effect_reaches_people(targets: Targets) -> None:
    story = told(f"camera-{uuid.uuid4()}")
    fleet = Fleet(targets.ingestion, targets.drift)
    fleet.report((story,))
    hub = GrpcHub(targets.ingestion, targets.drift, targets.distribution)
    verdicts = [
        VerdictView(sample_id=one.sample_id, reviewer="ada", decision="NEW_LABEL", label="bag")
        for one in hub.samples(drift_event_id=story.drift_event_id)
    ]
    hub.judge(verdicts)
    sent = fleet.answer(story)
    shown = hub.feedback(drift_event_id=story.drift_event_id)[0].effect
    assert shown is not None
    assert shown.judged_accuracy_after == sent.judged_accuracy_after
    assert shown.reference_sample_count == sent.reference_sample_count
    assert shown.commit_time is not None


def test_a_server_that_is_gone_is_explained() -> None:
    hub = GrpcHub(free_address(), free_address(), free_address())
    with pytest.raises(HubError, match="tinysphere serve all") as refused:
        hub.devices()
    assert refused.value.reason == "UNAVAILABLE"
    assert isinstance(refused.value.__cause__, grpc.RpcError)
    with pytest.raises(HubError, match="does not answer"):
        hub.image("sample")


def test_enum_numbers_of_a_newer_server_are_shown_as_unknown() -> None:
    reply = device_service_pb2.ListDevicesResponse()
    reply.devices.add(device_id="camera-1", mode=99, connectivity=99)
    view = convert.device_view(reply.devices[0])
    assert (view.mode, view.connectivity, view.location, view.last_contact_time) == ("", "", None, None)

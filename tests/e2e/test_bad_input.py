"""Bad input to real processes: a clear refusal, nothing lost, and the next good request is served."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.field_mask_pb2 import FieldMask

from demo.server import TIMEOUT_S, Server
from tests.e2e.inventory import inventory, unchanged
from tests.e2e.world import World, channel_of, evidence
from tests.support.contract import call_with_bytes, methods
from tests.support.refusals import Refusal, refused
from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.sender import Sender
from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    drift_pb2,
    drift_service_pb2,
    ingestion_service_pb2,
    package_pb2,
    rollout_service_pb2,
)
from tinysphere.domain.ids import new_id

STRANGER = "camera-nobody-knows"
# Malformed for every message type: a tag cut short, a wire type that does not exist, a length beyond the end.
MALFORMED = (b"\xff", b"\x0f", b"\x0a\x7f")


def embedding(*values: float) -> drift_pb2.Embedding:
    """A vector in the feature space that every sample here lives in."""
    return drift_pb2.Embedding(
        values=struct.pack(f"<{len(values)}f", *values),
        dimension_count=len(values),
        feature_space=builders.SPACE,
    )


def test_the_world_is_not_empty(world: World) -> None:
    """Otherwise "nothing lost" would say nothing."""
    counts = {noun: len(rows) for noun, rows in inventory(world.server).items()}
    assert counts == {
        "devices": 1,
        "packages": 1,
        "drift_events": 2,
        "samples": 2,
        "verdicts": 1,
        "items": 1,
        "adaptations": 1,
        "latest_versions": 0,
        "rollouts": 0,
    }


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_bytes_that_are_no_message_are_the_callers_fault(world: World, method: MethodDescriptor) -> None:
    channel = channel_of(world.server, method)
    with unchanged(world.server):
        for content in MALFORMED:
            refusal = refused(call_with_bytes, channel, method, content)
            assert refusal.kind == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
            assert method.input_type.full_name in refusal.message


def from_stranger(server: Server) -> dict[str, Callable[[], Any]]:
    """Every call that needs a device the registry knows, made by one it does not."""
    descriptor = builders.describe(b"content", device_id=STRANGER)
    beat = device_service_pb2.HeartbeatRequest(
        device_id=STRANGER, boot_id=new_id(), sequence=1, device_time=builders.TIME
    )
    put = ingestion_service_pb2.PutPackageRequest(descriptor=descriptor, content=b"content")
    update = device_service_pb2.UpdateDeviceRequest(
        device=device_pb2.Device(device_id=STRANGER, mode=device_pb2.MODE_CENTRALIZED),
        update_mask=FieldMask(paths=["mode"]),
    )
    create = ingestion_service_pb2.CreateUploadRequest(descriptor=descriptor)
    get = device_service_pb2.GetDeviceRequest(device_id=STRANGER)
    check = rollout_service_pb2.CheckUpdateRequest(device_id=STRANGER)
    return {
        "Heartbeat": lambda: server.devices.Heartbeat(beat, timeout=TIMEOUT_S),
        "GetDevice": lambda: server.devices.GetDevice(get, timeout=TIMEOUT_S),
        "UpdateDevice": lambda: server.devices.UpdateDevice(update, timeout=TIMEOUT_S),
        "PutPackage": lambda: server.ingestion.PutPackage(put, timeout=TIMEOUT_S),
        "CreateUpload": lambda: server.ingestion.CreateUpload(create, timeout=TIMEOUT_S),
        "CheckUpdate": lambda: server.rollouts.CheckUpdate(check, timeout=TIMEOUT_S),
    }


UNKNOWN_TO = ["Heartbeat", "GetDevice", "UpdateDevice", "PutPackage", "CreateUpload", "CheckUpdate"]


@pytest.mark.parametrize("name", UNKNOWN_TO)
def test_an_unknown_device_is_told_to_register(world: World, name: str) -> None:
    with unchanged(world.server):
        assert refused(from_stranger(world.server)[name]).kind == ("NOT_FOUND", "DEVICE_NOT_FOUND")


def test_a_package_with_another_digest_is_not_taken(world: World) -> None:
    descriptor, content = evidence([builders.drift_event()], [])
    with unchanged(world.server):
        assert refused(world.put, descriptor, content[:-1]).kind == ("INVALID_ARGUMENT", "DIGEST_MISMATCH")
        assert refused(world.package, descriptor.package_id).kind == ("NOT_FOUND", "PACKAGE_NOT_FOUND")
    world.put(descriptor, content)
    assert world.ended(descriptor.package_id).state == package_pb2.PACKAGE_STATE_PROCESSED


def test_an_upload_with_another_digest_starts_again(world: World) -> None:
    descriptor, content = evidence([builders.drift_event()], [])
    create = ingestion_service_pb2.CreateUploadRequest(descriptor=descriptor)
    upload = world.server.ingestion.CreateUpload(create, timeout=TIMEOUT_S).upload
    with Sender(world.server.ingestion, upload.upload_id) as sender:
        sender.chunks(bytes(len(content)))
        sender.finish()
        assert refused(lambda: sender.call).kind == ("INVALID_ARGUMENT", "DIGEST_MISMATCH")
    asked = ingestion_service_pb2.GetUploadRequest(upload_id=upload.upload_id)
    standing = world.server.ingestion.GetUpload(asked, timeout=TIMEOUT_S).upload
    assert (standing.state, standing.committed_offset) == (package_pb2.UPLOAD_STATE_ACTIVE, 0)
    with Sender(world.server.ingestion, upload.upload_id) as sender:
        sender.chunks(content)
        sender.finish()
        assert list(sender.call)[-1].done.package.descriptor == descriptor  # type: ignore[call-overload]  # a grpc call is an iterator
    assert world.ended(descriptor.package_id).state == package_pb2.PACKAGE_STATE_PROCESSED


def unreadable(kind: str) -> bytes:
    """The stored bytes of an archive that is whole by its digest, and still no package."""
    package_id, (_, content) = new_id(), evidence([builders.drift_event()], [])
    noise = hashlib.sha256(b"noise").digest() * 100
    manifest = builders.manifest(package_id, [("logs.pb", builders.LOGS, b"announced")])
    return {
        "noise": noise,
        "cut": content[: len(content) // 2],
        "no manifest": builders.archived([("logs.pb", b"")], builders.TAR_ZSTD),
        "manifest of another": builders.archived([("manifest.json", manifest)], builders.TAR_ZSTD),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("noise", "ARCHIVE_CORRUPT"),
        ("cut", "ARCHIVE_CORRUPT"),
        ("no manifest", "MANIFEST_MISSING"),
        ("manifest of another", "MANIFEST_INVALID"),
    ],
)
def test_an_unreadable_archive_fails_and_says_why(world: World, kind: str, reason: str) -> None:
    content = unreadable(kind)
    descriptor, before = builders.describe(content, builders.TAR_ZSTD), inventory(world.server)
    world.put(descriptor, content)
    failed = world.ended(descriptor.package_id)
    assert (failed.state, failed.error_reason) == (package_pb2.PACKAGE_STATE_FAILED, reason)
    assert failed.error
    assert not failed.steps
    retry = ingestion_service_pb2.RetryPackageRequest(package_id=descriptor.package_id)
    world.server.ingestion.RetryPackage(retry, timeout=TIMEOUT_S)
    assert world.ended(descriptor.package_id) == failed
    assert inventory(world.server) == {**before, "packages": [failed, *before["packages"]]}


def test_a_failed_package_holds_nobody_up(world: World) -> None:
    descriptor, content = evidence([builders.drift_event()], [])
    noise = hashlib.sha256(new_id().encode()).digest()
    world.put(builders.describe(noise, builders.TAR_ZSTD), noise)
    world.put(descriptor, content)
    assert world.ended(descriptor.package_id).state == package_pb2.PACKAGE_STATE_PROCESSED


def test_a_wrong_dimension_fails_its_step_and_no_other(world: World) -> None:
    event = builders.drift_event()
    samples = [
        builders.sample(drift_event_id=event.drift_event_id),
        builders.sample(drift_event_id=event.drift_event_id, embedding=embedding(1.0, 2.0, 3.0)),
    ]
    descriptor, content = evidence([event], samples)
    before = inventory(world.server)
    world.put(descriptor, content)
    failed = world.ended(descriptor.package_id)
    assert failed.state == package_pb2.PACKAGE_STATE_FAILED
    steps = {step.kind: step for step in failed.steps}
    assert steps[builders.DRIFT_EVENTS].state == package_pb2.STEP_STATE_SUCCEEDED
    assert steps[builders.SAMPLES].state == package_pb2.STEP_STATE_FAILED
    assert "samples[1].embedding.dimension_count" in steps[builders.SAMPLES].error
    after = inventory(world.server)
    assert after["samples"] == before["samples"]
    assert after["drift_events"][0].drift_event_id == event.drift_event_id
    assert after["drift_events"][1:] == before["drift_events"]


def test_a_wrong_dimension_is_named(world: World) -> None:
    wrong = builders.sample(embedding=embedding(1.0, 2.0, 3.0))
    with unchanged(world.server):
        assert_names_field(
            refused(world.report, builders.sample(), wrong), "samples[1].embedding.dimension_count"
        )


def test_an_unknown_sample_is_not_found(world: World) -> None:
    unknown = new_id()
    content = drift_service_pb2.GetSampleContentRequest(sample_id=unknown)
    with unchanged(world.server):
        for call in (
            lambda: world.judge(unknown),
            lambda: world.server.drift.GetSampleContent(content, timeout=TIMEOUT_S),
        ):
            refusal = refused(call)
            assert refusal.kind == ("NOT_FOUND", "SAMPLE_NOT_FOUND")
            assert refusal.metadata["sample_id"] == unknown


def test_a_label_for_a_closed_event_waits_until_it_is_open_again(world: World) -> None:
    with unchanged(world.server):
        refusal = refused(world.judge, world.closed_sample_id)
        assert refusal.kind == ("FAILED_PRECONDITION", "DRIFT_EVENT_CLOSED")
        assert refusal.metadata["drift_event_id"] == world.closed_event_id
    reopen = drift_service_pb2.ReopenDriftEventRequest(
        drift_event_id=world.closed_event_id, reviewer="ann", reason="no glitch after all"
    )
    world.server.drift.ReopenDriftEvent(reopen, timeout=TIMEOUT_S)
    judged = world.judge(world.closed_sample_id).samples[0]
    assert (judged.state, judged.judged_label) == (drift_pb2.SAMPLE_STATE_JUDGED, "bag")


def test_a_second_opinion_on_a_judged_sample_is_refused(world: World) -> None:
    with unchanged(world.server):
        refusal = refused(world.judge, world.judged_sample_id)
        assert refusal.kind == ("FAILED_PRECONDITION", "SAMPLE_JUDGED")


def assert_names_field(refusal: Refusal, field: str) -> None:
    """INVALID_FIELD, with the field in BadRequest for programs and in the message for people."""
    assert refusal.kind == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert refusal.field == field
    assert field in refusal.message

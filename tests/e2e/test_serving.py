"""What an operator relies on: each service at its port, health, reflection, an end in order."""

from __future__ import annotations

import re

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from demo.server import TIMEOUT_S, Server
from tests.e2e.conftest import StartServer
from tests.e2e.world import SERVED
from tests.support.contract import call_with_bytes, services
from tests.support.waiting import eventually
from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.sender import CHUNK_BYTES, Sender
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

ALWAYS_SERVED = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
ALARMING = re.compile(r"WARNING|ERROR|CRITICAL|Traceback|Exception|^E\d{4} ", re.MULTILINE)


@pytest.fixture(params=["server", "separate_server"])
def any_server(request: pytest.FixtureRequest) -> Server:
    """In one process, and in three."""
    server: Server = request.getfixturevalue(request.param)
    return server


def test_every_service_of_the_contract_has_its_port() -> None:
    assert {service.name for service in services()} == set.union(*SERVED.values())


@pytest.mark.parametrize("process", SERVED)
def test_health_and_reflection_tell_what_a_port_serves(any_server: Server, process: str) -> None:
    channel, names = any_server.channels[process], {f"tinymlops.v1.{name}" for name in SERVED[process]}
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", *names):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=TIMEOUT_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == names | ALWAYS_SERVED
    for service in services():
        if service.full_name in names:
            told = database.FindFileContainingSymbol(service.full_name)
            assert told.SerializeToString() == service.file.serialized_pb


@pytest.mark.parametrize("process", SERVED)
def test_a_port_serves_nothing_else(any_server: Server, process: str) -> None:
    for service in services():
        if service.name in SERVED[process]:
            continue
        with pytest.raises(grpc.RpcError) as caught:
            call_with_bytes(any_server.channels[process], _first_unary(service), b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_services_find_each_other(any_server: Server) -> None:
    """A package becomes an event, a verdict on it a mark in the heartbeat, and a device is known everywhere."""
    event, package_id = report_drift(any_server)
    assert any_server.packages_of(builders.DEVICE_ID)[0].descriptor.package_id == package_id
    assert event.sample_count == 1
    judge(any_server, event)
    eventually(lambda: beat(any_server).waiting_work.feedback_mark == 1)
    check = rollout_service_pb2.CheckUpdateRequest(device_id=builders.DEVICE_ID)
    assert not any_server.rollouts.CheckUpdate(check, timeout=TIMEOUT_S).HasField("offer")


@pytest.mark.parametrize("separate", [False, True])
def test_sigterm_ends_in_order_and_loses_nothing(start_server: StartServer, separate: bool) -> None:
    server = start_server(separate=separate)
    event, _ = report_drift(server)
    content = bytes(range(256)) * 1024
    upload = create_upload(server, content)
    with Sender(server.ingestion, upload.upload_id) as sender:
        sender.chunks(content, end=8 * CHUNK_BYTES)
        eventually(lambda: get_upload(server, upload.upload_id).committed_offset == 8 * CHUNK_BYTES)
        for program in server.programs:
            program.stop()
        refusal = sender.refusal()
        assert refusal.kind == ("UNAVAILABLE", "DRAINING")
        assert refusal.retry_after_s is not None
    for program in server.programs:
        assert program.exit_status == 0
        assert ALARMING.findall(program.output()) == [], program.output()
    server.start()
    assert get_upload(server, upload.upload_id).committed_offset == 8 * CHUNK_BYTES
    assert server.events_of(builders.DEVICE_ID) == [event]


def report_drift(server: Server) -> tuple[drift_pb2.DriftEvent, str]:
    """Registers a device and sends a package with an event and a sample of it.

    Returns:
        The event as the drift service tells it, and the package's id.
    """
    device = device_pb2.Device(device_id=builders.DEVICE_ID)
    server.devices.RegisterDevice(device_service_pb2.RegisterDeviceRequest(device=device), timeout=TIMEOUT_S)
    event = builders.drift_event()
    sample = builders.sample(drift_event_id=event.drift_event_id)
    descriptor, content = builders.packed(
        [
            ("drift_events.pb", builders.DRIFT_EVENTS, builders.delimited([event])),
            ("samples.pb", builders.SAMPLES, builders.delimited([sample])),
        ]
    )
    request = ingestion_service_pb2.PutPackageRequest(descriptor=descriptor, content=content)
    server.ingestion.PutPackage(request, timeout=TIMEOUT_S)
    eventually(lambda: _states(server) == {package_pb2.PACKAGE_STATE_PROCESSED})
    return server.events_of(builders.DEVICE_ID)[0], descriptor.package_id


def judge(server: Server, event: drift_pb2.DriftEvent) -> None:
    """Gives a verdict on the event's first sample."""
    wanted = drift_service_pb2.ListSamplesRequest(drift_event_id=event.drift_event_id)
    sample = server.drift.ListSamples(wanted, timeout=TIMEOUT_S).samples[0]
    verdict = drift_pb2.Verdict(
        verdict_id=new_id(),
        sample_id=sample.sample_id,
        reviewer="ann",
        decision=drift_pb2.DECISION_NOT_DRIFT,
    )
    request = drift_service_pb2.SubmitVerdictsRequest(verdicts=[verdict])
    server.drift.SubmitVerdicts(request, timeout=TIMEOUT_S)


def beat(server: Server) -> device_service_pb2.HeartbeatResponse:
    """A heartbeat of the device."""
    request = device_service_pb2.HeartbeatRequest(
        device_id=builders.DEVICE_ID, boot_id=new_id(), sequence=1, device_time=builders.TIME
    )
    return server.devices.Heartbeat(request, timeout=TIMEOUT_S)


def create_upload(server: Server, content: bytes) -> package_pb2.Upload:
    """Opens a resumable upload."""
    request = ingestion_service_pb2.CreateUploadRequest(descriptor=builders.describe(content))
    return server.ingestion.CreateUpload(request, timeout=TIMEOUT_S).upload


def get_upload(server: Server, upload_id: str) -> package_pb2.Upload:
    """One upload as the server knows it."""
    request = ingestion_service_pb2.GetUploadRequest(upload_id=upload_id)
    return server.ingestion.GetUpload(request, timeout=TIMEOUT_S).upload


def _first_unary(service: ServiceDescriptor) -> MethodDescriptor:
    return next(method for method in service.methods if not method.client_streaming)


def _states(server: Server) -> set[package_pb2.PackageState.ValueType]:
    return {package.state for package in server.packages_of(builders.DEVICE_ID)}

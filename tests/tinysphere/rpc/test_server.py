"""The server around any servicer: raw bytes, statuses, health, reflection."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.support.refusals import refused
from tests.tinysphere.rpc.served import DEVICES, NAME, OPEN, UPLOAD, Devices, Servicer, stub
from tinylcm.sync import client, window
from tinymlops.v1 import (
    device_service_pb2,
    device_service_pb2_grpc,
)
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinysphere.errors import NotFoundError, UnavailableError
from tinysphere.rpc.server import (
    KEEPALIVE_TIMEOUT_S,
    MIN_PING_INTERVAL_S,
    Registration,
    RpcServer,
)
from tinysphere.settings import Settings


@pytest.mark.parametrize("content", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xfe"])
def test_malformed_bytes_are_the_callers_fault(channel: grpc.Channel, content: bytes) -> None:
    raw = channel.unary_unary(f"/{NAME}/GetUpload")
    refusal = refused(raw, content)
    assert refusal.kind == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
    assert "tinymlops.v1.GetUploadRequest" in refusal.message


def test_malformed_bytes_end_a_stream_after_what_came_before(channel: grpc.Channel) -> None:
    raw = channel.stream_stream(UPLOAD)
    answers = raw(iter([OPEN.SerializeToString(), b"\xff"]))
    assert messages.UploadPackageResponse.FromString(next(answers)).ack.committed_offset == 7
    assert refused(lambda: answers).kind == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")


def test_our_errors_carry_their_details(channel: grpc.Channel, servicer: Servicer) -> None:
    def fail() -> messages.GetUploadResponse:
        raise NotFoundError("UPLOAD_NOT_FOUND", "no such upload", metadata={"upload_id": "1"})

    servicer.get_upload = fail
    refusal = refused(stub(channel).GetUpload, messages.GetUploadRequest())
    assert refusal.kind == ("NOT_FOUND", "UPLOAD_NOT_FOUND")
    assert refusal.metadata == {"upload_id": "1"}
    assert refusal.message == "no such upload"


def test_unexpected_errors_tell_the_log_and_not_the_caller(
    channel: grpc.Channel, servicer: Servicer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> messages.GetUploadResponse:
        raise ZeroDivisionError("secret")

    servicer.get_upload = fail
    refusal = refused(stub(channel).GetUpload, messages.GetUploadRequest())
    assert refusal.kind == ("INTERNAL", "INTERNAL")
    assert "secret" not in refusal.message
    assert "ZeroDivisionError: secret" in caplog.text


def test_methods_without_a_body_are_unimplemented(channel: grpc.Channel) -> None:
    refusal = refused(stub(channel).GetPackage, messages.GetPackageRequest())
    assert refusal.kind == ("UNIMPLEMENTED", "UNIMPLEMENTED")


def test_health_is_served_for_the_server_and_each_service(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", NAME, DEVICES):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_services_and_their_messages(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == {
        NAME,
        DEVICES,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    file = database.FindFileContainingSymbol("tinymlops.v1.PutPackageRequest")
    assert file.name == "tinymlops/v1/ingestion_service.proto"


def test_a_link_of_64_kbit_is_not_taken_for_dead_while_it_carries_the_first_bytes() -> None:
    assert 2 * window._FIRST_BYTES / 8_000 < KEEPALIVE_TIMEOUT_S
    assert client.KEEPALIVE_INTERVAL_S > MIN_PING_INTERVAL_S


def test_an_address_in_use_is_refused(tmp_path: Path, servicer: Servicer) -> None:
    settings = Settings(data_dir=tmp_path)
    first = RpcServer("127.0.0.1:0", [Registration(NAME, servicer)], settings=settings)
    port = first.start()
    second = RpcServer(f"127.0.0.1:{port}", [Registration(NAME, servicer)], settings=settings)
    with pytest.raises(UnavailableError) as caught:
        second.start()
    assert caught.value.reason == "ADDRESS_UNAVAILABLE"
    second.stop(grace_s=0)
    first.stop(grace_s=0)


def test_a_servicer_that_lacks_a_method_is_noticed_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        RpcServer("127.0.0.1:0", [Registration(NAME, object())], settings=Settings(data_dir=tmp_path))


def test_each_registration_serves_its_own_methods(servicer: Servicer, tmp_path: Path) -> None:
    registrations = [Registration(NAME, servicer), Registration(DEVICES, Devices())]
    server = RpcServer("127.0.0.1:0", registrations, settings=Settings(data_dir=tmp_path, rpc_threads=4))
    with grpc.insecure_channel(f"127.0.0.1:{server.start()}") as channel:
        devices = device_service_pb2_grpc.DeviceServiceStub(channel)
        assert (
            devices.GetDevice(device_service_pb2.GetDeviceRequest()) == device_service_pb2.GetDeviceResponse()
        )
        assert stub(channel).GetUpload(messages.GetUploadRequest()) == messages.GetUploadResponse()
    server.stop(grace_s=0)


def serves(health: health_pb2_grpc.HealthStub) -> bool:
    try:
        answer = health.Check(health_pb2.HealthCheckRequest())
    except grpc.RpcError:  # no new calls any more
        return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING

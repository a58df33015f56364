"""Bytes that are no request are the caller's fault, on every method of every service."""

import random
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from tests.support.refusals import refused
from tinymlops.v1 import (  # noqa: F401  # the pool knows a service once its module is imported
    adaptation_service_pb2,
    device_service_pb2,
    drift_service_pb2,
    feedback_service_pb2,
    ingestion_service_pb2,
    model_service_pb2,
    notification_service_pb2,
    review_service_pb2,
    rollout_service_pb2,
    sample_group_service_pb2,
    telemetry_service_pb2,
)
from tinysphere.bootstrap import SERVICES, Services
from tinysphere.settings import Settings

PACKAGE = "tinymlops.v1"
PROCESS_OF = {
    "DeviceService": "ingestion",
    "IngestionService": "ingestion",
    "TelemetryService": "ingestion",
    "DriftService": "drift",
    "FeedbackService": "drift",
    "AdaptationService": "drift",
    "SampleGroupService": "drift",
    "ReviewService": "drift",
    "NotificationService": "drift",
    "ModelService": "distribution",
    "RolloutService": "distribution",
}
METHODS = [
    method
    for name in PROCESS_OF
    for method in descriptor_pool.Default().FindServiceByName(f"{PACKAGE}.{name}").methods
]
# A cut varint, a field number of 0, a length beyond any end, a group that never ends, a field that is cut short.
MALFORMED = [b"\xff", b"\x00\x01", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b", b"\x0a\x7f"]


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, grpc.Channel]]:
    """All three services in one process, and a channel to each."""
    data_dir: Path = tmp_path_factory.mktemp("all")
    addresses = {f"{name}_address": "127.0.0.1:0" for name in SERVICES}
    services = Services(Settings(data_dir=data_dir, rpc_threads=16, **addresses), SERVICES)
    channels = {name: grpc.insecure_channel(address) for name, address in services.start().items()}
    yield channels
    for channel in channels.values():
        channel.close()
    services.stop()


def test_every_service_of_the_contract_is_served() -> None:
    files = {method.containing_service.full_name for method in METHODS}
    assert files == {f"{PACKAGE}.{name}" for name in PROCESS_OF}
    assert len(METHODS) > 35


@pytest.mark.parametrize(
    "method", METHODS, ids=lambda method: str(method.full_name).removeprefix(f"{PACKAGE}.")
)
def test_malformed_bytes_are_refused(channels: dict[str, grpc.Channel], method: MethodDescriptor) -> None:
    channel = channels[PROCESS_OF[method.containing_service.name]]
    rng = random.Random(method.full_name)
    for content in [*MALFORMED, *(b"\x0f" + rng.randbytes(20) for _ in range(5))]:
        refusal = refused(send, channel, method, content)
        assert refusal.kind == ("INVALID_ARGUMENT", "MALFORMED_REQUEST"), content


def send(channel: grpc.Channel, method: MethodDescriptor, content: bytes) -> object:
    path = f"/{method.containing_service.full_name}/{method.name}"
    if method.client_streaming and method.server_streaming:
        return channel.stream_stream(path)(iter([content]), timeout=30)
    if method.client_streaming:
        return channel.stream_unary(path)(iter([content]), timeout=30)
    if method.server_streaming:
        return channel.unary_stream(path)(content, timeout=30)
    return channel.unary_unary(path)(content, timeout=30)

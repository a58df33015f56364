"""The drift service beside the real ingestion service: a device's heartbeat learns of its feedback."""

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.support.postgresql import free_port
from tests.tinysphere.drift.builders import (
    START,
    event_message,
    sample_message,
    timestamp,
    uuid,
    verdict_message,
)
from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    drift_service_pb2,
    drift_service_pb2_grpc,
)
from tinysphere.bootstrap import Services
from tinysphere.settings import Settings

TRIES = 300
TRY_INTERVAL_S = 0.1


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        ingestion_address=f"127.0.0.1:{free_port()}",
        drift_address=f"127.0.0.1:{free_port()}",
        rpc_threads=8,
    )


@pytest.fixture
def channels(settings: Settings) -> Iterator[tuple[grpc.Channel, grpc.Channel]]:
    """To the ingestion and to the drift service."""
    pair = (
        grpc.insecure_channel(settings.ingestion_address),
        grpc.insecure_channel(settings.drift_address),
    )
    yield pair
    for channel in pair:
        channel.close()


def wait_for_mark(devices: device_service_pb2_grpc.DeviceServiceStub, expected: int) -> None:
    for sequence in range(1, TRIES):
        beat = device_service_pb2.HeartbeatRequest(
            device_id="camera-1", boot_id=uuid(1), sequence=sequence, device_time=timestamp(START)
        )
        mark = devices.Heartbeat(beat).waiting_work.feedback_mark
        if mark == expected:
            return
        assert mark < expected
        threading.Event().wait(TRY_INTERVAL_S)
    pytest.fail(f"no heartbeat told of feedback {expected}")


def judge(drift: drift_service_pb2_grpc.DriftServiceStub, number: int) -> None:
    samples = drift_service_pb2.ReportSamplesRequest(samples=[sample_message(number)])
    drift.ReportSamples(samples, wait_for_ready=True)
    drift.SubmitVerdicts(drift_service_pb2.SubmitVerdictsRequest(verdicts=[verdict_message(number)]))


def test_a_heartbeat_tells_of_feedback_also_after_an_outage(
    settings: Settings, channels: tuple[grpc.Channel, grpc.Channel]
) -> None:
    devices = device_service_pb2_grpc.DeviceServiceStub(channels[0])
    drift = drift_service_pb2_grpc.DriftServiceStub(channels[1])
    ingestion_process, drift_process = Services(settings, ["ingestion"]), Services(settings, ["drift"])
    drift_process.start()
    try:
        # The registry is not up yet, so the first announcements fail.
        report = drift_service_pb2.ReportDriftEventsRequest(drift_events=[event_message()])
        drift.ReportDriftEvents(report, wait_for_ready=True)
        judge(drift, 1)
        ingestion_process.start()
        device = device_pb2.Device(device_id="camera-1", mode=device_pb2.MODE_VALIDATED_LEARNING)
        devices.RegisterDevice(device_service_pb2.RegisterDeviceRequest(device=device), wait_for_ready=True)
        judge(drift, 2)
        wait_for_mark(devices, 2)
    finally:
        ingestion_process.stop()
        drift_process.stop()

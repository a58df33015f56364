"""DeviceService through real gRPC."""

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.refusals import refused
from tests.tinysphere.ingestion.builders import DEVICE_ID
from tests.tinysphere.ingestion.conftest import Ingestion, Serve
from tinymlops.v1 import device_pb2, device_service_pb2
from tinysphere.domain.ids import new_id

BOOT_ID = new_id()


def device(**changes: Any) -> device_pb2.Device:
    facts: dict[str, Any] = {
        "device_id": DEVICE_ID,
        "display_name": "Camera at the gate",
        "platform": device_pb2.Platform(machine="aarch64", memory_bytes=2**29),
        "labels": {"site": "gate"},
        "location": device_pb2.Location(latitude_deg=0.0, longitude_deg=0.0),
        "mode": device_pb2.MODE_VALIDATED_LEARNING,
    }
    return device_pb2.Device(**{**facts, **changes})


def register(service: Ingestion, **changes: Any) -> device_service_pb2.RegisterDeviceResponse:
    return service.devices.RegisterDevice(device_service_pb2.RegisterDeviceRequest(device=device(**changes)))


def beat(service: Ingestion, **changes: Any) -> device_service_pb2.HeartbeatResponse:
    return service.devices.Heartbeat(heartbeat(**changes))


def heartbeat(**changes: Any) -> device_service_pb2.HeartbeatRequest:
    facts: dict[str, Any] = {"device_id": DEVICE_ID, "boot_id": BOOT_ID, "sequence": 1}
    return device_service_pb2.HeartbeatRequest(**{**facts, **changes})


def get(service: Ingestion, device_id: str = DEVICE_ID) -> device_pb2.Device:
    return service.devices.GetDevice(device_service_pb2.GetDeviceRequest(device_id=device_id)).device


def test_a_device_registers_and_is_found(serve: Serve) -> None:
    service = serve()
    answer = register(service)
    assert answer.server_time.ToDatetime() - answer.device.register_time.ToDatetime() < timedelta(minutes=1)
    found = get(service)
    assert found == answer.device
    assert (found.display_name, found.platform.memory_bytes, dict(found.labels)) == (
        "Camera at the gate",
        2**29,
        {"site": "gate"},
    )
    assert found.HasField("location")
    assert found.connectivity == device_pb2.CONNECTIVITY_ONLINE


def test_what_the_server_sets_is_ignored(serve: Serve) -> None:
    service = serve()
    claimed = Timestamp(seconds=1)
    answer = register(
        service,
        register_time=claimed,
        last_contact_time=claimed,
        connectivity=device_pb2.CONNECTIVITY_OFFLINE,
        counters=device_pb2.DeviceCounters(prediction_count=99),
        status=device_pb2.DeviceStatus(outbox_count=99),
    )
    assert answer.device.register_time != claimed
    assert answer.device.connectivity == device_pb2.CONNECTIVITY_ONLINE
    assert answer.device.counters == device_pb2.DeviceCounters()
    assert answer.device.status.outbox_count == 0


def test_registering_again_keeps_what_the_device_leaves_to_the_server(serve: Serve) -> None:
    service = serve()
    first = register(service)
    again = register(service, display_name="", labels={}, location=None, mode=device_pb2.MODE_UNSPECIFIED)
    assert again.device.mode == device_pb2.MODE_VALIDATED_LEARNING
    assert again.device.display_name == DEVICE_ID
    assert not again.device.HasField("location")
    assert again.device.register_time == first.device.register_time


def test_silence_is_seen(serve: Serve) -> None:
    service = serve()
    register(service)
    for silence, seen in [
        (timedelta(minutes=4), device_pb2.CONNECTIVITY_ONLINE),
        (timedelta(minutes=6), device_pb2.CONNECTIVITY_IDLE),
        (timedelta(minutes=61), device_pb2.CONNECTIVITY_OFFLINE),
    ]:
        service.clock.shift = silence
        assert get(service).connectivity == seen
    beat(service)
    assert get(service).connectivity == device_pb2.CONNECTIVITY_ONLINE


def test_a_heartbeat_reports_and_learns_what_waits(serve: Serve) -> None:
    service = serve(heartbeat_interval_s=12.5)
    register(service)
    marks = {
        DEVICE_ID: device_service_pb2.WaitingWork(feedback_mark=7, update_mark=2),
        "stranger": device_service_pb2.WaitingWork(feedback_mark=1),
    }
    announced = service.devices.AnnounceWork(device_service_pb2.AnnounceWorkRequest(waiting_work=marks))
    assert announced.unknown_device_ids == ["stranger"]
    status = device_pb2.DeviceStatus(
        running_model=device_pb2.ModelReference(model_name="fashion", version=2),
        drifting=True,
        latency_ms=3.5,
    )
    counters = device_pb2.DeviceCounters(prediction_count=40, resent_bytes=2**40)
    answer = beat(service, status=status, counters=counters)
    assert answer.waiting_work == marks[DEVICE_ID]
    assert answer.heartbeat_interval.ToTimedelta() == timedelta(seconds=12.5)
    assert answer.mode == device_pb2.MODE_VALIDATED_LEARNING
    assert answer.server_time.seconds > 0
    assert (get(service).status, get(service).counters) == (status, counters)
    beat(service, sequence=1, counters=device_pb2.DeviceCounters(prediction_count=80))
    assert get(service).counters == counters


def test_devices_page_by_id(serve: Serve) -> None:
    service = serve()
    for number in range(5):
        register(service, device_id=f"camera-{number}", labels={"site": "gate" if number else "roof"})
    request = device_service_pb2.ListDevicesRequest(page_size=2, labels={"site": "gate"})
    pages = []
    while True:
        page = service.devices.ListDevices(request)
        pages.append([found.device_id for found in page.devices])
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert pages == [["camera-1", "camera-2"], ["camera-3", "camera-4"]]
    request.labels["site"] = "roof"
    assert refused(service.devices.ListDevices, request).kind == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize(
    "call",
    [
        lambda service: service.devices.GetDevice(device_service_pb2.GetDeviceRequest(device_id="stranger")),
        lambda service: service.devices.Heartbeat(heartbeat(device_id="stranger")),
    ],
)
def test_unknown_devices_are_told_so(service: Ingestion, call: Callable[[Ingestion], Any]) -> None:
    assert refused(call, service).kind == ("NOT_FOUND", "DEVICE_NOT_FOUND")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("device.device_id", {"device_id": "UPPER"}),
        ("device.device_id", {"device_id": ""}),
        ("device.display_name", {"display_name": "x" * 129}),
        ("device.display_name", {"display_name": "a\0b"}),
        ("device.mode", {"mode": 99}),
        ("device.labels key", {"labels": {"no spaces": "x"}}),
        ("device.labels[key]", {"labels": {"key": "x" * 64}}),
        ("device.labels", {"labels": {f"key{number}": "x" for number in range(33)}}),
        ("device.location.latitude_deg", {"location": device_pb2.Location(latitude_deg=90.1)}),
        ("device.location.longitude_deg", {"location": device_pb2.Location(longitude_deg=math.nan)}),
        ("device.platform.machine", {"platform": device_pb2.Platform(machine="x" * 65)}),
        ("device.platform.memory_bytes", {"platform": device_pb2.Platform(memory_bytes=-1)}),
    ],
)
def test_fields_keep_to_their_limits(service: Ingestion, field: str, changes: dict[str, Any]) -> None:
    request = device_service_pb2.RegisterDeviceRequest(device=device(**changes))
    refusal = refused(service.devices.RegisterDevice, request)
    assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), field)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("boot_id", {"boot_id": "not a uuid"}),
        ("sequence", {"sequence": 0}),
        ("counters.sent_bytes", {"counters": device_pb2.DeviceCounters(sent_bytes=-1)}),
        ("counters.sent_bytes", {"counters": device_pb2.DeviceCounters(sent_bytes=2**62)}),
        ("status.latency_ms", {"status": device_pb2.DeviceStatus(latency_ms=math.inf)}),
        ("status.outbox_count", {"status": device_pb2.DeviceStatus(outbox_count=-1)}),
        (
            "status.running_model.feature_space",
            {
                "status": device_pb2.DeviceStatus(
                    running_model=device_pb2.ModelReference(feature_space="short")
                )
            },
        ),
    ],
)
def test_heartbeats_keep_to_their_limits(service: Ingestion, field: str, changes: dict[str, Any]) -> None:
    refusal = refused(service.devices.Heartbeat, heartbeat(**changes))
    assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), field)


@pytest.mark.parametrize(
    ("field", "request_message"),
    [
        ("page_size", device_service_pb2.ListDevicesRequest(page_size=501)),
        ("labels key", device_service_pb2.ListDevicesRequest(labels={"": "x"})),
    ],
)
def test_lists_keep_to_their_limits(
    service: Ingestion, field: str, request_message: device_service_pb2.ListDevicesRequest
) -> None:
    refusal = refused(service.devices.ListDevices, request_message)
    assert (refusal.code, refusal.field) == ("INVALID_ARGUMENT", field)


def test_announcements_keep_to_their_limits(service: Ingestion) -> None:
    too_many = {f"camera-{number}": device_service_pb2.WaitingWork() for number in range(1001)}
    negative = {DEVICE_ID: device_service_pb2.WaitingWork(feedback_mark=-1)}
    for field, marks in [
        ("waiting_work", too_many),
        (f"waiting_work[{DEVICE_ID}].feedback_mark", negative),
        ("waiting_work key", {"NOT AN ID": device_service_pb2.WaitingWork()}),
    ]:
        request = device_service_pb2.AnnounceWorkRequest(waiting_work=marks)
        refusal = refused(service.devices.AnnounceWork, request)
        assert (refusal.code, refusal.field) == ("INVALID_ARGUMENT", field)

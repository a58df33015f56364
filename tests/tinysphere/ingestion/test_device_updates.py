"""UpdateDevice through real gRPC."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.support.refusals import refused
from tests.tinysphere.ingestion.builders import DEVICE_ID
from tests.tinysphere.ingestion.conftest import Ingestion, Serve
from tests.tinysphere.ingestion.test_devices import beat, device, get, register
from tinymlops.v1 import device_pb2, device_service_pb2

CENTRALIZED = device_pb2.MODE_CENTRALIZED


@pytest.fixture
def service(serve: Serve) -> Ingestion:
    service = serve()
    register(service)
    return service


def request(*paths: str, **fields: Any) -> device_service_pb2.UpdateDeviceRequest:
    wanted = device_pb2.Device(**{"device_id": DEVICE_ID, **fields})
    return device_service_pb2.UpdateDeviceRequest(device=wanted, update_mask=FieldMask(paths=paths))


def update(service: Ingestion, *paths: str, **fields: Any) -> device_pb2.Device:
    return service.devices.UpdateDevice(request(*paths, **fields)).device


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": CENTRALIZED},
        {"display_name": "Door"},
        {"labels": {"wave": "2"}},
        {"mode": CENTRALIZED, "display_name": "Door", "labels": {}},
    ],
)
def test_exactly_the_named_fields_change(service: Ingestion, fields: dict[str, Any]) -> None:
    before = get(service)
    sent = device(display_name="not named", labels={"not": "named"}, mode=device_pb2.MODE_AUTONOMOUS)
    sent.ClearField("location")
    expected = device_pb2.Device()
    expected.CopyFrom(before)
    for name in fields:
        sent.ClearField(name)
        expected.ClearField(name)
    sent.MergeFrom(device_pb2.Device(**fields))
    expected.MergeFrom(device_pb2.Device(**fields))
    call = device_service_pb2.UpdateDeviceRequest(device=sent, update_mask=FieldMask(paths=fields))
    for _ in range(2):  # the same request again changes nothing
        assert service.devices.UpdateDevice(call).device == expected
        assert get(service) == expected


def test_the_device_learns_its_mode_with_its_next_heartbeat(service: Ingestion) -> None:
    assert beat(service).mode == device_pb2.MODE_VALIDATED_LEARNING
    update(service, "mode", mode=CENTRALIZED)
    assert beat(service, sequence=2).mode == CENTRALIZED
    again = register(service, mode=device_pb2.MODE_UNSPECIFIED)  # what a restarted device says
    assert again.device.mode == CENTRALIZED


def test_an_emptied_name_is_the_id(service: Ingestion) -> None:
    assert update(service, "display_name").display_name == DEVICE_ID


def test_rollouts_and_screens_select_by_the_new_labels(service: Ingestion) -> None:
    update(service, "labels", labels={"wave": "2"})
    for labels, ids in [({"wave": "2"}, [DEVICE_ID]), ({"site": "gate"}, [])]:
        answer = service.devices.ListDevices(device_service_pb2.ListDevicesRequest(labels=labels))
        assert [found.device_id for found in answer.devices] == ids


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("update_mask", request()),
        (
            "update_mask",
            device_service_pb2.UpdateDeviceRequest(device=device_pb2.Device(device_id=DEVICE_ID)),
        ),
        ("update_mask.paths[0]", request("device_id")),
        ("update_mask.paths[0]", request("")),
        ("update_mask.paths[0]", request("*")),
        ("update_mask.paths[1]", request("mode", "location", mode=CENTRALIZED)),
        ("update_mask.paths[0]", request("labels.site", labels={"site": "a"})),
        ("device.device_id", request("mode", device_id="X", mode=CENTRALIZED)),
        ("device.mode", request("mode")),
        ("device.mode", request("mode", mode=99)),
        ("device.display_name", request("display_name", display_name="x" * 129)),
        ("device.labels[key]", request("labels", labels={"key": "x" * 64})),
        (
            "device.labels",
            request("mode", "labels", mode=CENTRALIZED, labels={f"k{n}": "" for n in range(33)}),
        ),
    ],
)
def test_fields_keep_to_their_limits(
    service: Ingestion, field: str, call: device_service_pb2.UpdateDeviceRequest
) -> None:
    before = get(service)
    refusal = refused(service.devices.UpdateDevice, call)
    assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), field)
    assert get(service) == before


def test_an_unknown_device_is_told_so(service: Ingestion) -> None:
    call = request("mode", device_id="stranger", mode=CENTRALIZED)
    assert refused(service.devices.UpdateDevice, call).kind == ("NOT_FOUND", "DEVICE_NOT_FOUND")

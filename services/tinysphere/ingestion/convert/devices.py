"""DeviceService's messages."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from tinymlops.v1 import device_pb2, device_service_pb2
from tinysphere.domain.devices import (
    Device,
    DeviceCounters,
    DeviceEdit,
    DeviceProfile,
    DeviceStatus,
    Heartbeat,
    Location,
    Mode,
    Platform,
    WaitingWork,
    connectivity,
)
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc.checks import (
    require_device_id,
    require_finite,
    require_id,
    require_labels,
    require_range,
    require_text,
    shown,
)
from tinysphere.rpc.nouns import (
    enum_number,
    model_reference,
    read_enum,
    read_model_reference,
    read_optional_enum,
    to_timestamp,
)

MAX_ANNOUNCED_DEVICES = 1000
MAX_COUNT = 2**50  # sums of a thousand boots still fit an int64
MAX_INT64 = 2**63 - 1

_PLATFORM_LIMITS = {
    "machine": 64,
    "operating_system": 128,
    "python_version": 32,
    "runtime": 64,
    "tinylcm_version": 32,
}
_STATUS_COUNTS = ("quarantine_count", "outbox_count", "outbox_bytes", "memory_bytes")
_EDITABLE = ("mode", "display_name", "labels")
_COUNTERS = tuple(asdict(DeviceCounters()))


def read_profile(message: device_pb2.Device) -> DeviceProfile:
    """What a device says of itself; fields the server sets are ignored."""
    location = message.location
    return DeviceProfile(
        device_id=require_device_id("device.device_id", message.device_id),
        display_name=_read_display_name(message),
        platform=_read_platform(message.platform),
        labels=require_labels("device.labels", message.labels),
        location=_read_location(location) if message.HasField("location") else None,
        mode=read_optional_enum("device.mode", message.mode, device_pb2.Mode, Mode),
    )


def read_edit(request: device_service_pb2.UpdateDeviceRequest) -> DeviceEdit:
    """What people decided, and only that: fields that the mask does not name are not looked at."""
    if not request.update_mask.paths:
        raise InvalidFieldError("update_mask", f"one or more of {', '.join(_EDITABLE)}", "none")
    for index, path in enumerate(request.update_mask.paths):
        if path not in _EDITABLE:
            expected = f"one of {', '.join(_EDITABLE)}"
            raise InvalidFieldError(f"update_mask.paths[{index}]", expected, shown(path))
    device, named = request.device, set(request.update_mask.paths)
    return DeviceEdit(
        device_id=require_device_id("device.device_id", device.device_id),
        mode=read_enum("device.mode", device.mode, device_pb2.Mode, Mode) if "mode" in named else None,
        display_name=_read_display_name(device) if "display_name" in named else None,
        labels=require_labels("device.labels", device.labels) if "labels" in named else None,
    )


def read_heartbeat(request: device_service_pb2.HeartbeatRequest) -> Heartbeat:
    """Counters and status of one boot."""
    return Heartbeat(
        device_id=require_device_id("device_id", request.device_id),
        boot_id=require_id("boot_id", request.boot_id),
        sequence=require_range("sequence", request.sequence, 1, MAX_COUNT),
        counters=_read_counters(request.counters),
        status=_read_status(request.status),
    )


def read_waiting_work(request: device_service_pb2.AnnounceWorkRequest) -> Mapping[str, WaitingWork]:
    """Marks by device."""
    if len(request.waiting_work) > MAX_ANNOUNCED_DEVICES:
        raise InvalidFieldError(
            "waiting_work", f"at most {MAX_ANNOUNCED_DEVICES} devices", str(len(request.waiting_work))
        )
    return {
        require_device_id("waiting_work key", device_id): WaitingWork(
            feedback_mark=_read_mark(f"waiting_work[{device_id}].feedback_mark", marks.feedback_mark),
            update_mark=_read_mark(f"waiting_work[{device_id}].update_mark", marks.update_mark),
        )
        for device_id, marks in request.waiting_work.items()
    }


def device_message(device: Device, now: datetime) -> device_pb2.Device:
    """The contract's message, connectivity derived."""
    profile = device.profile
    message = device_pb2.Device(
        device_id=profile.device_id,
        display_name=profile.display_name or profile.device_id,
        platform=device_pb2.Platform(**asdict(profile.platform)),
        labels=profile.labels,
        mode=enum_number(profile.mode, device_pb2.Mode),
        register_time=to_timestamp(device.register_time),
        last_contact_time=to_timestamp(device.last_contact_time),
        connectivity=enum_number(connectivity(device.last_contact_time, now), device_pb2.Connectivity),
        status=_status_message(device.status),
        counters=device_pb2.DeviceCounters(**asdict(device.counters)),
    )
    if profile.location is not None:
        message.location.CopyFrom(device_pb2.Location(**asdict(profile.location)))
    return message


def waiting_work_message(work: WaitingWork) -> device_service_pb2.WaitingWork:
    """The contract's message."""
    return device_service_pb2.WaitingWork(feedback_mark=work.feedback_mark, update_mark=work.update_mark)


def _read_display_name(message: device_pb2.Device) -> str:
    return require_text("device.display_name", message.display_name, 0, 128)


def _read_platform(message: device_pb2.Platform) -> Platform:
    texts = {
        name: require_text(f"device.platform.{name}", getattr(message, name), 0, limit)
        for name, limit in _PLATFORM_LIMITS.items()
    }
    memory_bytes = require_range("device.platform.memory_bytes", message.memory_bytes, 0, MAX_INT64)
    return Platform(**texts, memory_bytes=memory_bytes)


def _read_location(message: device_pb2.Location) -> Location:
    return Location(
        latitude_deg=require_finite("device.location.latitude_deg", message.latitude_deg, -90, 90),
        longitude_deg=require_finite("device.location.longitude_deg", message.longitude_deg, -180, 180),
    )


def _read_counters(message: device_pb2.DeviceCounters) -> DeviceCounters:
    return DeviceCounters(
        **{
            name: require_range(f"counters.{name}", getattr(message, name), 0, MAX_COUNT)
            for name in _COUNTERS
        }
    )


def _read_status(message: device_pb2.DeviceStatus) -> DeviceStatus:
    counts = {
        name: require_range(f"status.{name}", getattr(message, name), 0, MAX_INT64) for name in _STATUS_COUNTS
    }
    return DeviceStatus(
        running_model=read_model_reference("status.running_model", message.running_model),
        drifting=message.drifting,
        latency_ms=require_finite("status.latency_ms", message.latency_ms, 0),
        **counts,
    )


def _read_mark(field: str, value: int) -> int:
    return require_range(field, value, 0, MAX_INT64)


def _status_message(status: DeviceStatus) -> device_pb2.DeviceStatus:
    return device_pb2.DeviceStatus(
        running_model=model_reference(status.running_model),
        drifting=status.drifting,
        quarantine_count=status.quarantine_count,
        outbox_count=status.outbox_count,
        outbox_bytes=status.outbox_bytes,
        latency_ms=status.latency_ms,
        memory_bytes=status.memory_bytes,
    )

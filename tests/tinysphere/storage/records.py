"""Records of one plausible device and its packages, to be varied by keyword."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tinysphere.domain.devices import (
    DeviceCounters,
    DeviceProfile,
    DeviceStatus,
    Heartbeat,
    Location,
    Mode,
    ModelReference,
    Platform,
)
from tinysphere.domain.ids import new_id
from tinysphere.domain.packages import PackageDescriptor, PackageFormat, Upload, UploadState

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DEVICE_ID = "camera-1"
BOOT_ID = new_id(START)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def profile(**changes: Any) -> DeviceProfile:
    known = DeviceProfile(
        device_id=DEVICE_ID,
        display_name="Camera at the gate",
        platform=Platform(machine="aarch64", runtime="ai-edge-litert 2.3.0", memory_bytes=512 * 2**20),
        labels={"site": "gate", "wave": "1"},
        location=Location(latitude_deg=0.0, longitude_deg=0.0),
        mode=Mode.VALIDATED_LEARNING,
    )
    return replace(known, **changes)


def heartbeat(**changes: Any) -> Heartbeat:
    known = Heartbeat(
        device_id=DEVICE_ID,
        boot_id=BOOT_ID,
        sequence=1,
        counters=DeviceCounters(prediction_count=10, sent_bytes=2**40),
        status=DeviceStatus(running_model=ModelReference(model_name="fashion", version=3), drifting=True),
    )
    return replace(known, **changes)


def descriptor(content: bytes = b"content", **changes: Any) -> PackageDescriptor:
    known = PackageDescriptor(
        package_id=new_id(START),
        device_id=DEVICE_ID,
        format=PackageFormat.TAR,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        create_time=START,
    )
    return replace(known, **changes)


def upload(package: PackageDescriptor, **changes: Any) -> Upload:
    known = Upload(
        upload_id=new_id(START),
        package_id=package.package_id,
        device_id=package.device_id,
        size_bytes=package.size_bytes,
        sha256=package.sha256,
        state=UploadState.ACTIVE,
        committed_offset=0,
        expire_time=at(100),
    )
    return replace(known, **changes)

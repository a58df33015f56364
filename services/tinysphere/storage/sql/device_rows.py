"""Devices as rows, and back."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.devices import (
    Device,
    DeviceCounters,
    DeviceProfile,
    DeviceStatus,
    Location,
    Mode,
    ModelReference,
    Platform,
)


def profile_values(profile: DeviceProfile) -> dict[str, Any]:
    """The columns of `devices` that a registration sets."""
    platform, location = profile.platform, profile.location
    return {
        "device_id": profile.device_id,
        "display_name": profile.display_name,
        "machine": platform.machine,
        "operating_system": platform.operating_system,
        "python_version": platform.python_version,
        "runtime": platform.runtime,
        "tinylcm_version": platform.tinylcm_version,
        "platform_memory_bytes": platform.memory_bytes,
        "latitude_deg": location.latitude_deg if location else None,
        "longitude_deg": location.longitude_deg if location else None,
        "mode": profile.mode.value if profile.mode else None,
        "registered_name": profile.display_name,
        "registered_labels": dict(profile.labels),
    }


def status_values(status: DeviceStatus) -> dict[str, Any]:
    """The columns of `devices` that a heartbeat sets."""
    return {
        "model_name": status.running_model.model_name,
        "model_version": status.running_model.version,
        "bundle_sha256": status.running_model.bundle_sha256,
        "feature_space": status.running_model.feature_space,
        "drifting": status.drifting,
        "quarantine_count": status.quarantine_count,
        "outbox_count": status.outbox_count,
        "outbox_bytes": status.outbox_bytes,
        "latency_ms": status.latency_ms,
        "memory_bytes": status.memory_bytes,
    }


def device_from(row: sa.Row[Any], labels: Mapping[str, str], counters: DeviceCounters) -> Device:
    """From a row of `devices`, its labels, and the sums of its boots' counters."""
    return Device(
        profile=DeviceProfile(
            device_id=row.device_id,
            display_name=row.display_name,
            platform=_platform(row),
            labels=labels,
            location=None
            if row.latitude_deg is None
            else Location(latitude_deg=row.latitude_deg, longitude_deg=row.longitude_deg),
            mode=Mode(row.mode) if row.mode else None,
        ),
        register_time=row.register_time,
        last_contact_time=row.last_contact_time,
        status=_status(row),
        counters=counters,
    )


def _platform(row: sa.Row[Any]) -> Platform:
    return Platform(
        machine=row.machine,
        operating_system=row.operating_system,
        python_version=row.python_version,
        runtime=row.runtime,
        tinylcm_version=row.tinylcm_version,
        memory_bytes=row.platform_memory_bytes,
    )


def _status(row: sa.Row[Any]) -> DeviceStatus:
    return DeviceStatus(
        running_model=ModelReference(
            model_name=row.model_name,
            version=row.model_version,
            bundle_sha256=row.bundle_sha256,
            feature_space=row.feature_space,
        ),
        drifting=row.drifting,
        quarantine_count=row.quarantine_count,
        outbox_count=row.outbox_count,
        outbox_bytes=row.outbox_bytes,
        latency_ms=row.latency_ms,
        memory_bytes=row.memory_bytes,
    )

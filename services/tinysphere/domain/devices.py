"""Devices as the server knows them: frozen facts, enums named as in `tinymlops.v1`.

An enum that the contract calls UNSPECIFIED is None here. Datetimes are aware UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

ONLINE_FOR = timedelta(minutes=5)
IDLE_FOR = timedelta(hours=1)


class Mode(Enum):
    """What a device may do by itself, and what it leaves to the server."""

    AUTONOMOUS = "AUTONOMOUS"
    MONITORING_ONLY = "MONITORING_ONLY"
    VALIDATED_LEARNING = "VALIDATED_LEARNING"
    CENTRALIZED = "CENTRALIZED"


class Connectivity(Enum):
    """How recently the server heard from a device."""

    ONLINE = "ONLINE"
    IDLE = "IDLE"
    OFFLINE = "OFFLINE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Hardware and software; ``memory_bytes`` is 0 when unknown."""

    machine: str = ""
    operating_system: str = ""
    python_version: str = ""
    runtime: str = ""
    tinylcm_version: str = ""
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place on Earth; 0.0/0.0 is one."""

    latitude_deg: float
    longitude_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """Which model a device runs or a record was made with; see the contract's message of that name."""

    model_name: str = ""
    version: int = 0
    bundle_sha256: str = ""
    feature_space: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCounters:
    """Counters of one boot, or their sum over all boots; each only grows."""

    prediction_count: int = 0
    drift_event_count: int = 0
    adaptation_count: int = 0
    package_count: int = 0
    link_failure_count: int = 0
    sent_bytes: int = 0
    resent_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """What a device does now; ``latency_ms`` and ``memory_bytes`` are 0 when unknown."""

    running_model: ModelReference = ModelReference()
    drifting: bool = False
    quarantine_count: int = 0
    outbox_count: int = 0
    outbox_bytes: int = 0
    latency_ms: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """What a device says of itself when it registers; ``mode`` None keeps the one the server holds."""

    device_id: str
    display_name: str
    platform: Platform
    labels: Mapping[str, str]
    location: Location | None
    mode: Mode | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEdit:
    """What people decide about a device; None keeps what the server holds."""

    device_id: str
    mode: Mode | None = None
    display_name: str | None = None
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A registered device; ``counters`` are summed over its boots."""

    profile: DeviceProfile
    register_time: datetime
    last_contact_time: datetime
    status: DeviceStatus
    counters: DeviceCounters


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """One report of a device; ``sequence`` counts those of one boot from 1."""

    device_id: str
    boot_id: str
    sequence: int
    counters: DeviceCounters
    status: DeviceStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingWork:
    """High-water marks of the work that waits for a device; they only grow."""

    feedback_mark: int = 0
    update_mark: int = 0


def connectivity(last_contact_time: datetime, now: datetime) -> Connectivity:
    """How recently the server heard from a device."""
    silence = now - last_contact_time
    if silence < ONLINE_FOR:
        return Connectivity.ONLINE
    return Connectivity.IDLE if silence < IDLE_FOR else Connectivity.OFFLINE

"""Packages, their uploads and their processing: frozen facts, enums named as in `tinymlops.v1`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from tinysphere.domain.devices import ModelReference
from tinysphere.domain.moments import moment_of


class PackageFormat(Enum):
    """How the stored bytes are encoded."""

    TAR_ZSTD = "TAR_ZSTD"
    TAR_GZIP = "TAR_GZIP"
    TAR = "TAR"
    ZIP = "ZIP"
    GZIP = "GZIP"


class EntryKind(Enum):
    """What an entry holds, and with it which step processes it."""

    DRIFT_EVENTS = "DRIFT_EVENTS"
    SAMPLES = "SAMPLES"
    METRICS = "METRICS"
    LOGS = "LOGS"
    PREDICTION_IMAGES = "PREDICTION_IMAGES"
    MODEL_STATE = "MODEL_STATE"
    ADAPTATIONS = "ADAPTATIONS"


class PackageState(Enum):
    """Where a package stands."""

    UPLOADING = "UPLOADING"
    COMMITTED = "COMMITTED"
    PROCESSING = "PROCESSING"
    PROCESSED = "PROCESSED"
    FAILED = "FAILED"


class StepState(Enum):
    """Where a processing step stands."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class UploadState(Enum):
    """Where an upload stands."""

    ACTIVE = "ACTIVE"
    FINISHED = "FINISHED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageDescriptor:
    """What a device says of a package before it sends it; size and digest are of the stored bytes."""

    package_id: str
    device_id: str
    format: PackageFormat
    size_bytes: int
    sha256: str
    create_time: datetime

    def same_content(self, other: "PackageDescriptor") -> bool:
        """Whether both announce the same bytes of the same device."""
        return (self.package_id, self.device_id, self.sha256, self.size_bytes, self.format) == (
            other.package_id,
            other.device_id,
            other.sha256,
            other.size_bytes,
            other.format,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageStep:
    """All entries of one kind; ``record_count`` records were taken over."""

    kind: EntryKind
    state: StepState = StepState.PENDING
    error: str = ""
    record_count: int = 0
    attempt_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package at the server; ``error_reason`` is empty unless the archive itself was refused."""

    descriptor: PackageDescriptor
    state: PackageState
    receive_time: datetime
    commit_time: datetime | None = None
    process_time: datetime | None = None
    error_reason: str = ""
    error: str = ""
    steps: Sequence[PackageStep] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A resumable upload of one package; ``committed_offset`` bytes are durable."""

    upload_id: str
    package_id: str
    device_id: str
    size_bytes: int
    sha256: str
    state: UploadState
    committed_offset: int
    expire_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """One member of an archive, as the manifest announces it."""

    path: str
    kind: EntryKind
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """First member of an archive; ``entries`` in archive order."""

    package_id: str
    device_id: str
    model: ModelReference
    create_time: datetime
    entries: Sequence[ManifestEntry]


class MetricPoint(NamedTuple):
    """One value of one device metric. A tuple: they come by the ten thousand, and a record takes four times as long.

    Attributes:
        time_us: When it was measured, as `tinysphere.domain.moments` counts.
    """

    name: str
    time_us: int
    value: float

    @property
    def measure_time(self) -> datetime:
        """When it was measured."""
        return moment_of(self.time_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One line of a device's log."""

    log_time: datetime
    level: str
    logger: str
    message: str

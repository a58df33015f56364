"""The device's configuration: one TOML file, read in one place, every fault listed at once.

Paths are relative to the file's folder. `template.py` shows every key with its default; `tinylcm init` writes it.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinylcm.errors import SettingsError
from tinylcm.records import Mode
from tinylcm.settings.source import SourceSettings, parse_source
from tinylcm.settings.table import Table

_DEVICE_ID = re.compile(r"[a-z0-9][a-z0-9._-]{2,63}")
_LABEL_KEY = re.compile(r"[A-Za-z0-9._/-]{1,63}")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9._/-]{0,63}")
_TARGET = re.compile(r"\S+:\d{1,5}")
_MAX_LABELS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """Who the device is. `location` is latitude and longitude in degrees, or None."""

    device_id: str
    display_name: str
    data_dir: Path
    mode: Mode
    labels: Mapping[str, str]
    location: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Which bundles may run, and how."""

    trusted_keys: tuple[Path, ...]
    thread_count: int
    trial_frame_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the three services are, and the patience with them."""

    ingestion_target: str
    drift_target: str
    distribution_target: str
    request_timeout_s: float
    stall_timeout_s: float
    retry_max_s: float
    max_bytes_per_s: float
    max_download_bytes_per_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationSettings:
    """Bounds of evidence and quarantine."""

    evidence_sample_count: int
    collect_sample_count: int
    quarantine_sample_count: int
    quarantine_max_bytes: int
    send_images: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxSettings:
    """Bounds of what waits to be sent, and of the samples sent in a day."""

    max_bytes: int
    max_age_s: float
    samples_per_day: int
    sample_bytes_per_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """How often the device's metrics are put into the outbox."""

    every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSettings:
    """How often the device's state is made durable, and how many states are kept."""

    keep_count: int
    every_frame_count: int
    every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionLogSettings:
    """Bounds of the prediction log."""

    max_bytes: int
    keep_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it; `server` is None for a device that works alone."""

    device: DeviceSettings
    source: SourceSettings
    model: ModelSettings
    server: ServerSettings | None
    adaptation: AdaptationSettings
    outbox: OutboxSettings
    metrics: MetricsSettings
    snapshots: SnapshotSettings
    predictions: PredictionLogSettings
    log_level: str


def load_settings(path: Path) -> Settings:
    """Reads and checks the file.

    Raises:
        SettingsError: It cannot be read, or holds faults; the message lists every one.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    return parse_settings(table, folder=path.absolute().parent)


def parse_settings(values: Mapping[str, Any], *, folder: Path) -> Settings:
    """Checks a parsed file; `folder` is what paths are relative to.

    Raises:
        SettingsError: It holds faults; the message lists every one.
    """
    root = Table(values, "", folder)
    settings = Settings(
        device=_device(root.table("device")),
        source=parse_source(root.table("source")),
        model=_model(root.table("model")),
        server=_server(root.table("server")) if root.has("server") else None,
        adaptation=_adaptation(root.table("adaptation")),
        outbox=_outbox(root.table("outbox")),
        metrics=_metrics(root.table("metrics")),
        snapshots=_snapshots(root.table("snapshots")),
        predictions=_predictions(root.table("predictions")),
        log_level=_log_level(root.table("log")),
    )
    faults = root.finish()
    if faults:
        raise SettingsError("the configuration has faults:\n" + "\n".join(f"  {fault}" for fault in faults))
    return settings


def _device(table: Table) -> DeviceSettings:
    mode = table.text("mode", Mode.VALIDATED_LEARNING.value, choices=[mode.value for mode in Mode])
    settings = DeviceSettings(
        device_id=table.text("device_id", pattern=_DEVICE_ID),
        display_name=table.text("display_name", "", max_length=128),
        data_dir=table.path("data_dir", "state"),
        mode=Mode(mode),
        labels=_labels(table),
        location=_location(table),
    )
    table.finish()
    return settings


def _labels(table: Table) -> dict[str, str]:
    labels = table.mapping("labels")
    if len(labels) > _MAX_LABELS:
        table.fault("labels", f"at most {_MAX_LABELS} are allowed, got {len(labels)}")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            table.fault(f"labels.{key}", f"expected letters, digits and ._/- (at most 63), got {value!r:.80}")
    return {key: str(value) for key, value in labels.items()}


def _location(table: Table) -> tuple[float, float] | None:
    place = table.table("location")
    if not table.has("location"):
        return None
    latitude_deg = place.number("latitude_deg", low=-90, high=90)
    longitude_deg = place.number("longitude_deg", low=-180, high=180)
    place.finish()
    return latitude_deg, longitude_deg


def _model(table: Table) -> ModelSettings:
    settings = ModelSettings(
        trusted_keys=table.paths("trusted_keys"),
        thread_count=table.whole("thread_count", 1, low=1, high=64),
        trial_frame_count=table.whole("trial_frame_count", 50, low=1, high=1_000_000),
    )
    table.finish()
    return settings


def _server(table: Table) -> ServerSettings:
    settings = ServerSettings(
        ingestion_target=table.text("ingestion_target", pattern=_TARGET),
        drift_target=table.text("drift_target", pattern=_TARGET),
        distribution_target=table.text("distribution_target", pattern=_TARGET),
        request_timeout_s=table.number("request_timeout_s", 10.0, low=0.1, high=600),
        stall_timeout_s=table.number("stall_timeout_s", 60.0, low=1, high=3600),
        retry_max_s=table.number("retry_max_s", 15.0, low=0.1, high=3600),
        max_bytes_per_s=table.number("max_bytes_per_s", 0.0, low=0, high=1e12),
        max_download_bytes_per_s=table.number("max_download_bytes_per_s", 0.0, low=0, high=1e12),
    )
    table.finish()
    return settings


def _adaptation(table: Table) -> AdaptationSettings:
    settings = AdaptationSettings(
        evidence_sample_count=table.whole("evidence_sample_count", 60, low=1, high=500),
        collect_sample_count=table.whole("collect_sample_count", 200, low=1, high=10_000),
        quarantine_sample_count=table.whole("quarantine_sample_count", 400, low=1, high=100_000),
        quarantine_max_bytes=table.whole("quarantine_max_bytes", 16 << 20, low=1 << 16, high=1 << 32),
        send_images=table.flag("send_images", True),
    )
    table.finish()
    return settings


def _outbox(table: Table) -> OutboxSettings:
    settings = OutboxSettings(
        max_bytes=table.whole("max_bytes", 64 << 20, low=1 << 16, high=1 << 40),
        max_age_s=table.number("max_age_s", 30 * 86_400.0, low=60, high=1e9),
        samples_per_day=table.whole("samples_per_day", 2000, low=0, high=10_000_000),
        sample_bytes_per_day=table.whole("sample_bytes_per_day", 64 << 20, low=0, high=1 << 40),
    )
    table.finish()
    return settings


def _metrics(table: Table) -> MetricsSettings:
    settings = MetricsSettings(every_s=table.number("every_s", 60.0, low=1, high=86_400))
    table.finish()
    return settings


def _snapshots(table: Table) -> SnapshotSettings:
    settings = SnapshotSettings(
        keep_count=table.whole("keep_count", 3, low=1, high=1000),
        every_frame_count=table.whole("every_frame_count", 500, low=1, high=10_000_000),
        every_s=table.number("every_s", 30.0, low=0.1, high=86_400),
    )
    table.finish()
    return settings


def _predictions(table: Table) -> PredictionLogSettings:
    settings = PredictionLogSettings(
        max_bytes=table.whole("max_bytes", 16 << 20, low=4096, high=1 << 40),
        keep_count=table.whole("keep_count", 2, low=0, high=1000),
    )
    table.finish()
    return settings


def _log_level(table: Table) -> str:
    level = table.text("level", "INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
    table.finish()
    return level

"""The section ``[source]``: every kind of source has its own keys. docs/inputs.md shows each."""

import os
from dataclasses import dataclass
from pathlib import Path

from tinylcm.settings.table import Table

BAUD_RATES = (9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 500_000, 921_600, 1_000_000, 2_000_000)
_MAX_SOCKET_PATH_BYTES = 107  # sockaddr_un has 108, the last of them 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSettings:
    """A folder of recordings, or one; `frames_per_second` None means its own rate, else as fast as possible."""

    kind: str
    path: Path
    frames_per_second: float | None
    at_end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSettings:
    """Whatever OpenCV can open; `frames_per_second` None means all that it gives."""

    device: str
    fit: str
    frames_per_second: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorSettings:
    """A serial line, or with `baud_rate` None a Unix socket; `hop_readings` 0 means a whole window."""

    path: Path
    baud_rate: int | None
    format: str
    hop_readings: int


SourceSettings = RecordedSettings | CameraSettings | SensorSettings


def parse_source(table: Table) -> SourceSettings:
    """Reads the section; keys of other kinds are faults."""
    kind = table.text("kind", "folder", choices=["folder", "recording", "camera", "serial", "socket"])
    settings: SourceSettings
    if kind == "camera":
        settings = _camera(table)
    elif kind in ("serial", "socket"):
        settings = _sensor(table, kind)
    else:
        settings = _recorded(table, kind)
    table.finish(hint=f"unknown, or not of a {kind}")
    return settings


def _recorded(table: Table, kind: str) -> RecordedSettings:
    ends = ["wait", "stop", "loop"] if kind == "folder" else ["stop", "loop"]
    return RecordedSettings(
        kind=kind,
        path=table.path("path"),
        frames_per_second=_rate(table),
        at_end=table.text("at_end", ends[0], choices=ends),
    )


def _camera(table: Table) -> CameraSettings:
    return CameraSettings(
        device=table.text("device", "0"),
        fit=table.text("fit", "crop", choices=["crop", "stretch"]),
        frames_per_second=_rate(table),
    )


def _sensor(table: Table, kind: str) -> SensorSettings:
    path = table.path("path")
    size_bytes = len(os.fsencode(path))
    if kind == "socket" and size_bytes > _MAX_SOCKET_PATH_BYTES:
        table.fault(
            "path", f"a socket's full path has at most {_MAX_SOCKET_PATH_BYTES} bytes, got {size_bytes}"
        )
    return SensorSettings(
        path=path,
        baud_rate=_baud_rate(table) if kind == "serial" else None,
        format=table.text("format", "frames", choices=["frames", "readings"]),
        hop_readings=table.whole("hop_readings", 0, low=0, high=1_000_000),
    )


def _baud_rate(table: Table) -> int:
    rate = table.whole("baud_rate", 115_200, low=BAUD_RATES[0], high=BAUD_RATES[-1])
    if rate not in BAUD_RATES:
        table.fault("baud_rate", f"expected one of {', '.join(map(str, BAUD_RATES))}, got {rate}")
    return rate


def _rate(table: Table) -> float | None:
    return table.number("frames_per_second", 0.0, low=0, high=1e6) or None

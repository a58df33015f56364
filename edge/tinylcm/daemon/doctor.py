"""Looks at everything a device needs, and says what is wrong and what to do; beside a running daemon too."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

from tinylcm.adapters.files import write_durably
from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.adapters.tflite import find_engine
from tinylcm.daemon.history import read_history
from tinylcm.daemon.inputs import check_source
from tinylcm.daemon.layout import Layout, open_slots
from tinylcm.daemon.lock import is_in_use
from tinylcm.daemon.starts import MOST_FAILURES, failed_starts
from tinylcm.errors import TinyLcmError
from tinylcm.ports import Clock
from tinylcm.settings import Settings
from tinylcm.sync.reach import fault_of_server
from tinylcm.sync.remembered import SKEW

_BUILT = datetime(2025, 1, 1, tzinfo=UTC)
_LONGEST_LIFE = timedelta(days=25 * 365)
_MOST_SKEW_S = 60.0
_REACH_TIMEOUT_S = 3.0


class Level(Enum):
    """How bad a finding is; only FAULT makes the device sick."""

    FINE = "ok"
    NOTE = "note"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one part."""

    part: str
    level: Level
    detail: str


def examine(settings: Settings, clock: Clock) -> list[Finding]:
    """Returns a finding for every part, whatever state the parts are in."""
    findings: list[Finding] = []
    parts: dict[str, Callable[[], Iterator[Finding]]] = {
        "data folder": lambda: _data_folder(settings),
        "disk": lambda: _disk(settings),
        "model": lambda: _model(settings),
        "snapshots": lambda: _snapshots(settings),
        "outbox": lambda: _outbox(settings),
        "source": lambda: _source(settings, clock),
        "clock": lambda: _clock(settings, clock),
        "server": lambda: _server(settings),
    }
    for part, look in parts.items():
        try:
            findings += look()
        except (TinyLcmError, OSError, sqlite3.Error, ValueError) as error:
            findings.append(_fault(part, str(error)))
    return findings


def _data_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.device.data_dir
    probe = folder / "doctor"
    write_durably(probe, [b"can be written and synced"])
    probe.unlink()
    running = is_in_use(Layout(data_dir=folder).lock)
    yield _fine("data folder", f"{folder} takes files; {'a' if running else 'no'} daemon runs")


def _disk(settings: Settings) -> Iterator[Finding]:
    free_bytes = shutil.disk_usage(settings.device.data_dir).free
    log = settings.predictions
    wanted_bytes = settings.outbox.max_bytes + log.max_bytes * (log.keep_count + 1)
    text = f"{_mib(free_bytes)} free; outbox and prediction log may grow to {_mib(wanted_bytes)}"
    wanted_bytes -= _size_bytes(settings.device.data_dir)
    yield _fine("disk", text) if free_bytes >= wanted_bytes else _note("disk", f"{text}: see their max_bytes")


def _model(settings: Settings) -> Iterator[Finding]:
    slots, (_, runtime) = open_slots(settings), find_engine()
    bundle = slots.active()
    if bundle is None:
        waits = settings.server is not None
        text = "no bundle that is whole and signed by a trusted key"
        yield _note("model", f"{text}; waits for the server's") if waits else _fault("model", text)
        return
    manifest = bundle.manifest
    text = f"{manifest.model_name} release {manifest.release_counter}, {bundle.bundle_sha256[:12]}"
    yield _fine("model", f"{text}, on trial" if slots.on_trial else text)
    if manifest.engine != runtime.split(" ")[0]:
        yield _fault("engine", f"{runtime}; the bundle was made with {manifest.runtime}")
    elif manifest.runtime != runtime:
        yield _note(
            "engine", f"{runtime}; calibrated with {manifest.runtime}: `tinylcm calibrate` makes it fit"
        )
    else:
        yield _fine("engine", runtime)


def _snapshots(settings: Settings) -> Iterator[Finding]:
    bundle = open_slots(settings).active()
    path = Layout(data_dir=settings.device.data_dir).snapshots / (
        bundle.bundle_sha256[:16] if bundle else "-"
    )
    history = read_history(SnapshotFolder(path)) if path.is_dir() else []
    damaged = [facts.snapshot_id for facts in history if facts.fault]
    text = f"{len(history) - len(damaged)} whole"
    if damaged:
        yield _fault("snapshots", f"{text}; damaged and passed over: {', '.join(damaged)}")
    else:
        yield _fine("snapshots", text)


def _outbox(settings: Settings) -> Iterator[Finding]:
    path = Layout(data_dir=settings.device.data_dir).outbox / "outbox.db"
    if not path.exists():
        yield _fine("outbox", "not begun yet")
        return
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
        (count,) = database.execute("SELECT count(*) FROM packages").fetchone()
    yield _fine("outbox", f"{count} packages") if verdict == "ok" else _fault("outbox", str(verdict))
    failed_count = failed_starts(_values(settings))
    text = f"{failed_count} on end came to nothing"
    yield _fault("starts", text) if failed_count >= MOST_FAILURES else _fine("starts", text)


def _source(settings: Settings, clock: Clock) -> Iterator[Finding]:
    if is_in_use(Layout(data_dir=settings.device.data_dir).lock):
        yield _note("source", "not tried: the running device reads it")
    else:
        yield _fine("source", check_source(settings.source, clock))


def _clock(settings: Settings, clock: Clock) -> Iterator[Finding]:
    now = clock.now()
    contact = _values(settings).get("last_contact_time")
    if not _BUILT <= now <= _BUILT + _LONGEST_LIFE:
        yield _fault("clock", f"it shows {now:%Y-%m-%d %H:%M} UTC: set it, or let it be set over the network")
    elif contact and datetime.fromisoformat(contact) > now + timedelta(seconds=_MOST_SKEW_S):
        yield _note("clock", f"it was set back: the last contact is {contact}, now it is {now.isoformat()}")
    else:
        yield _fine("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")
    skew_s = float(_values(settings).get(SKEW) or 0)
    if abs(skew_s) > _MOST_SKEW_S:
        yield _note("skew", f"at the last contact it was {skew_s:+.0f} s off the server's")


def _server(settings: Settings) -> Iterator[Finding]:
    if settings.server is None:
        yield _fine("server", "none: the device works alone")
        return
    names = ("ingestion_target", "drift_target", "distribution_target")
    for target in dict.fromkeys(getattr(settings.server, name) for name in names):
        fault = fault_of_server(target, timeout_s=_REACH_TIMEOUT_S)
        yield _fault("server", f"{target}: {fault}") if fault else _fine("server", f"{target} answers")


def _values(settings: Settings) -> dict[str, str]:
    path = Layout(data_dir=settings.device.data_dir).outbox / "outbox.db"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return dict(database.execute('SELECT name, content FROM "values"'))


def _size_bytes(folder: Path) -> int:
    sizes = 0
    for path in folder.rglob("*"):
        try:
            sizes += path.lstat().st_size
        except FileNotFoundError:
            continue  # a daemon is at work
    return sizes


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):,.0f} MiB"


def _fine(part: str, detail: str) -> Finding:
    return Finding(part=part, level=Level.FINE, detail=detail)


def _note(part: str, detail: str) -> Finding:
    return Finding(part=part, level=Level.NOTE, detail=detail)


def _fault(part: str, detail: str) -> Finding:
    return Finding(part=part, level=Level.FAULT, detail=detail)

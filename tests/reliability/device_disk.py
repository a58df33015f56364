"""What a device's data folder says while no daemon holds it, read from a copy so that nothing is mended by looking."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.tinylcm.sync.test_packing import read, unpack_content
from tinylcm.adapters.snapshots import SnapshotFolder
from tinymlops.v1 import drift_pb2

SUFFIX = ".tar.zst"


@dataclass(slots=True, kw_only=True)
class Disk:
    """The last committed state and the outbox.

    Attributes:
        states: Checkpoint, next index and adaptation count of the newest snapshot, by bundle folder.
        answered: Adaptation id (empty: none) of each feedback item that the newest snapshots have answered.
        packages: SHA-256 of each package that may be sent or is staged, by id.
        ready: Ids of those that may be sent.
        faults: What must never be.
    """

    states: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)
    contents: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def next_index(self) -> int:
        """Index of the first frame to process after a start."""
        return max((next_index for _, next_index, _ in self.states.values()), default=0)


def inspect(state: Path) -> Disk:
    """Reads a data folder, and checks what must hold in it at any moment."""
    disk = Disk()
    with _copy_of(state) as copy:
        for folder in sorted((copy / "snapshots").glob("*/")):
            _read_snapshots(folder, disk)
        if (copy / "outbox" / "outbox.db").exists():
            _read_outbox(copy / "outbox", disk)
    return disk


@contextmanager
def _copy_of(state: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        ignore = shutil.ignore_patterns("predictions*", "*.bundle", "*-shm")
        yield Path(shutil.copytree(state, Path(folder) / "state", ignore=ignore, symlinks=True))


def _read_snapshots(folder: Path, disk: Disk) -> None:
    names = {path.name for path in folder.glob("snapshot-*.bin")}
    stored = SnapshotFolder(folder).load_newest()
    if stored is None:
        disk.faults += [f"{folder.name}: no snapshot is whole"] if names else []
        return
    snapshot_id, meta, _ = stored
    if f"{snapshot_id}.bin" != max(names):
        disk.faults.append(f"{folder.name}: {max(names)} is damaged")
    pipeline = meta["pipeline"]
    disk.states[folder.name] = (meta["checkpoint"], meta["next_index"], pipeline["adaptation_count"])
    for answer in pipeline["answered"]["answers"]:
        disk.answered[answer["feedback_id"]] = (answer["effect"] or {}).get("adaptation_id", "")


def _read_outbox(folder: Path, disk: Disk) -> None:
    with closing(sqlite3.connect(folder / "outbox.db")) as database:
        database.create_function("seal", -1, lambda *_: "")
        verdicts = [row[0] for row in database.execute("PRAGMA integrity_check")]
        if verdicts != ["ok"]:
            disk.faults.append(f"outbox.db: {verdicts[0]}")
            return
        if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return
        rows = database.execute("SELECT package_id, sha256, state FROM packages").fetchall()
    for package_id, sha256, state in rows:
        path = folder / "packages" / f"{package_id}{SUFFIX}"
        if package_id in disk.packages:
            disk.faults.append(f"package {package_id} stands there twice")
        if not path.exists():
            disk.faults.append(f"package {package_id} has a row and no file")
            continue
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            disk.faults.append(f"package {package_id} has another digest")
        disk.packages[package_id] = sha256
        disk.contents[package_id] = content
        if state == "READY":
            disk.ready.add(package_id)


def evidence_faults(packages: Mapping[str, bytes]) -> Iterator[str]:
    """Yields what was told twice under two ids, in all packages of a device's life, by id."""
    events: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    samples: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    for content in packages.values():
        _, files = unpack_content(content)
        for event in read(files.get("drift_events.pb", b""), drift_pb2.DriftEvent):
            events[event.detect_index, event.detector].add(event.drift_event_id)
        for sample in read(files.get("samples.pb", b""), drift_pb2.Sample):
            samples[sample.source_index, sample.drift_event_id].add(sample.sample_id)
    for what, told in (("event", events), ("sample", samples)):
        for (index, _), ids in told.items():
            if len(ids) > 1:
                yield f"the {what} of frame {index} was told under {len(ids)} ids"


def evidence_counts(packages: Mapping[str, bytes]) -> tuple[int, int]:
    """Returns how many drift events and samples there are, by id."""
    events, samples = set(), set()
    for content in packages.values():
        _, files = unpack_content(content)
        events |= {
            one.drift_event_id for one in read(files.get("drift_events.pb", b""), drift_pb2.DriftEvent)
        }
        samples |= {one.sample_id for one in read(files.get("samples.pb", b""), drift_pb2.Sample)}
    return len(events), len(samples)


def fallen_back(before: Disk, now: Disk) -> Iterator[str]:
    """Yields what was committed before and is not any more."""
    for folder, state in before.states.items():
        later = now.states.get(folder)
        if later is None:
            continue  # forgotten with its bundle, which the slots decide
        for name, was, is_now in zip(
            ("checkpoint", "next_index", "adaptation_count"), state, later, strict=True
        ):
            if is_now < was:
                yield f"{folder}: {name} went back from {was} to {is_now}"
    if now.next_index < before.next_index:
        yield f"the next frame went back from {before.next_index} to {now.next_index}"


def predicted_indices(paths: Iterable[Path]) -> set[int]:
    """Returns the frame indices in prediction logs; half a line, as a crash leaves it, is passed over."""
    found = set()
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.add(int(json.loads(line)["source_index"]))
            except ValueError:
                continue
    return found

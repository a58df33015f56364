"""Bits that flip and files that end early, in everything a device keeps: noticed, by name, and never taken up.

A device folder is made with all that can be there: a running bundle with three snapshots, one in the idle slot, an
outbox with packages that may be sent, staged ones, messages, values, and a write-ahead log not yet written back. For
each trial one file of a copy is damaged and the device is started. What it then stands for is compared with what it
stood for undamaged: its learned state, its bundle, what it would send, what it remembers.

A trial is *undetected* when a learned state is taken up that was never committed, when something would be sent that
was never put in, when the device cannot go on, or when anything differs and no line of the log says so. It is *idle*
when nothing differs: a bit in a free page, or in a file whose content is never read.
"""

from __future__ import annotations

import hashlib
import logging
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.reliability.device_disk import SUFFIX
from tests.reliability.device_forks import in_child
from tests.reliability.device_home import make_home
from tests.reliability.device_life import Life, step, stream
from tests.tinylcm.bundles import tiny_bundle
from tests.tinylcm.daemon.conftest import DeviceFolder, frames_of
from tinylcm.adapters.arrays import canonical_json, pack_arrays
from tinylcm.adapters.clock import SystemClock
from tinylcm.daemon.build import Device
from tinylcm.daemon.engine import Engine, engine_factory
from tinylcm.ports import MessageKind, NewMessage

_BLOCK_BYTES = {"snapshot": 4096, "bundle": 512, "database": 4096, "log": 4096, "package": 512, "slots": 64}
_MOST_BOUNDARIES = 24


@dataclass(slots=True, kw_only=True)
class FlipTally:
    """What was counted, flips and truncations together by kind of file; `faults` are the undetected ones."""

    flips: int = 0
    truncations: int = 0
    noticed: Counter[str] = field(default_factory=Counter)
    idle: Counter[str] = field(default_factory=Counter)
    failed_starts: int = 0
    faults: list[str] = field(default_factory=list)


class _Lines(logging.Handler):
    """Keeps warnings and errors."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def run_flips(count: int, seed: int, progress: Callable[[str], None]) -> FlipTally:
    """Flips ``count`` random bits, one a trial, and truncates every kind of file in every way."""
    with tempfile.TemporaryDirectory() as folder:
        return _Trials(Path(folder), random.Random(seed), progress).run(count)


class _Trials:
    def __init__(self, folder: Path, rng: random.Random, progress: Callable[[str], None]) -> None:
        self._folder = folder
        self._home: DeviceFolder = make_home(folder)
        self._home.tables["model"]["trial_frame_count"] = 10
        self._rng = rng
        self._progress = progress
        self._tally = FlipTally()
        self._whole = folder / "whole"
        self._closed = folder / "closed"
        self._good_states: set[str] = set()

    def run(self, count: int) -> FlipTally:
        self._make_whole()
        self._good_states = self._committed_states()
        undamaged = self._start(self._whole)
        if undamaged["lines"] or undamaged["learned"] not in self._good_states:
            raise RuntimeError(f"the undamaged device is not whole: {undamaged['lines']}")
        files = {
            kind: sorted((self._closed if kind == "database" else self._whole).glob(pattern))
            for kind, pattern in _PATTERNS.items()
        }
        if missing := [kind for kind, paths in files.items() if not paths]:
            raise RuntimeError(f"the device's folder holds no {', '.join(missing)}")
        kinds = list(files)
        for number in range(count):
            kind = kinds[number % len(kinds)]
            path = self._rng.choice([*files[kind], files[kind][-1]])
            place = self._rng.randrange(path.stat().st_size * 8)
            self._try(kind, path, undamaged, f"bit {place}", lambda content, at=place: _flipped(content, at))
            self._tally.flips += 1
            if (number + 1) % max(count // 10, 1) == 0:
                self._progress(f"flips {number + 1}/{count}: {len(self._tally.faults)} undetected")
        self._truncate(files, undamaged, most=None if count >= 1000 else 4)
        return self._tally

    def _truncate(self, files: dict[str, list[Path]], undamaged: dict[str, Any], *, most: int | None) -> None:
        for kind, paths in files.items():
            path = max(paths, key=lambda path: path.name)  # the newest snapshot
            for size in _sizes(path.stat().st_size, _BLOCK_BYTES[kind])[:most]:
                cut = f"cut to {size} bytes"
                self._try(kind, path, undamaged, cut, lambda content, size=size: content[:size])
                self._tally.truncations += 1
        self._progress(f"truncations {self._tally.truncations}: {len(self._tally.faults)} undetected")

    def _make_whole(self) -> None:
        """Lives to the trial's end, then again without an orderly end, so that the log holds something."""
        next_bundle = self._folder / "tiny-2.bundle"
        tiny_bundle(next_bundle, release_counter=2)
        life = Life(self._home, next_bundle, self._folder / "sent", is_online=False)

        def live() -> None:
            logging.disable()
            life.live(until=125)
            self._home.close()
            life.live(until=160)

        def leave_behind() -> None:
            logging.disable()
            device = self._home.open()
            for frame in frames_of(stream(), device, first_index=device.first_index):
                device.inbox.put_frame(frame)
                step(device)
            device.outbox.set_value("registered_mode", "VALIDATED_LEARNING")
            assert device.vitals.running_model is not None
            metrics = device.vitals.close_minute(device.clock.now(), device.outbox.totals())
            device.outbox.put([device.packer.metrics(metrics, device.vitals.running_model)])
            message = NewMessage(kind=MessageKind.DRIFT_EVENT, content=b"of frames that will be seen again")
            device.outbox.put(messages=[replace(message, content=b"event %d" % it) for it in range(200)])
            staged = device.packer.metrics(metrics, device.vitals.running_model)
            device.outbox.put([staged], [message], checkpoint=1 << 30)
            shutil.copytree(self._home.state, self._whole, symlinks=True)
            shutil.copytree(self._home.state, self._closed, symlinks=True)
            with closing(sqlite3.connect(self._closed / "outbox" / "outbox.db")) as database:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        for work in (live, leave_behind):
            status, told = in_child(work, self._folder / "answer.json")
            if status != 0:
                raise RuntimeError(f"the device's folder cannot be made:\n{told}")

    def _committed_states(self) -> set[str]:
        """Digests of every state there is to go back to: of each snapshot, and as each bundle made it."""

        def look() -> list[str]:
            logging.disable()
            home, found = self._home, []
            make = engine_factory(home.settings(), SystemClock(), home.state / "snapshots")
            device = home.open()
            for bundle in filter(None, (device.slots.active(), device.slots.idle())):
                engine = make(
                    bundle, device.slots.version_of(bundle.bundle_sha256), home.settings().device.mode
                )
                found.append(_digest(engine))
                for snapshot_id in engine.snapshots.ids():
                    meta, arrays = engine.snapshots.load(snapshot_id)
                    engine.pipeline.restore(meta["pipeline"], arrays)
                    found.append(_digest(engine))
            return found

        self._take_copy(self._whole)
        status, told = in_child(look, self._folder / "answer.json")
        if status != 0:
            raise RuntimeError(str(told))
        return set(told)

    def _try(
        self,
        kind: str,
        path: Path,
        undamaged: dict[str, Any],
        damage: str,
        change: Callable[[bytes], bytes],
    ) -> None:
        content = path.read_bytes()
        whole = self._closed if self._closed in path.parents else self._whole
        path.write_bytes(change(content))
        try:
            found = self._start(whole)
        except RuntimeError as error:
            self._tally.failed_starts += 1
            found = {"lines": [], "error": str(error)}
        finally:
            path.write_bytes(content)
        fault = _fault(undamaged, found, self._good_states)
        if fault:
            self._tally.faults.append(f"{path.relative_to(whole)}, {damage}: {fault}")
            self._progress(self._tally.faults[-1])
        elif found["lines"]:
            self._tally.noticed[kind] += 1
        else:
            self._tally.idle[kind] += 1

    def _start(self, whole: Path) -> dict[str, Any]:
        """Starts the device on a fresh copy, and tells what it stands for."""
        self._take_copy(whole)
        status, told = in_child(self._look, self._folder / "answer.json")
        if status != 0:
            raise RuntimeError(str(told))
        return dict(told)

    def _take_copy(self, whole: Path) -> None:
        shutil.rmtree(self._home.state, ignore_errors=True)
        shutil.copytree(whole, self._home.state, symlinks=True)

    def _look(self) -> dict[str, Any]:
        logging.getLogger().handlers[:] = [lines := _Lines()]
        packages = {
            path.name.removesuffix(SUFFIX): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self._home.state.glob(_PATTERNS["package"])
        }
        device = self._home.open()
        engine = device.models.engine
        facts = {
            "bundle": None if engine is None else engine.model.bundle_sha256,
            "version": None if engine is None else engine.model.version,
            "next_index": device.first_index,
            "learned": None if engine is None else _digest(engine),
            "idle_bundle": None if (idle := device.slots.idle()) is None else idle.bundle_sha256,
            "counters": device.slots._state.release_counters,
            "sendable": dict(_sendable(device)),
            "packages": packages,
            "messages": sorted(
                hashlib.sha256(message.content).hexdigest()
                for kind in MessageKind
                for message in device.outbox.messages(kind, 1000)
            ),
            "values": {name: device.outbox.value(name) for name in ("registered_mode", "deployment")},
        }
        for frame in frames_of(stream()[:30], device):  # it works and can make a checkpoint
            device.inbox.put_frame(frame)
            step(device)
        device.inbox.close()
        device.inference.run()
        self._home.close()
        return facts | {"lines": lines.lines}


_PATTERNS = {
    "snapshot": "snapshots/*/*.bin",
    "bundle": "slots/?/model.bundle",
    "slots": "slots/state.json",
    "database": "outbox/outbox.db",
    "log": "outbox/outbox.db-wal",
    "package": "outbox/packages/*.tar.zst",
}


def _fault(undamaged: dict[str, Any], found: dict[str, Any], good_states: set[str]) -> str:
    """Returns what went unnoticed or wrong, or nothing."""
    if "error" in found:
        return f"it does not start: {found['error'][-600:]}"
    if found["learned"] is not None and found["learned"] not in good_states:
        return "a state was taken up that was never committed"
    known = {undamaged["bundle"], undamaged["idle_bundle"], None}
    if found["bundle"] not in known or found["idle_bundle"] not in known:
        return "a bundle was taken up that was never installed"
    strange = found["sendable"].items() - undamaged["packages"].items()
    if strange:
        return f"it would send what was never put in: {sorted(strange)}"
    if set(found["messages"]) - set(undamaged["messages"]):
        return "it would tell what was never put in"
    differing = [
        key for key in undamaged if key not in ("lines", "packages") and found[key] != undamaged[key]
    ]
    return f"nothing says why {', '.join(differing)} differ" if differing and not found["lines"] else ""


def _digest(engine: Engine) -> str:
    meta, arrays = engine.pipeline.state()
    return hashlib.sha256(canonical_json(meta) + pack_arrays(arrays)).hexdigest()


def _sendable(device: Device) -> Iterator[tuple[str, str]]:
    """What would be sent, by id: as the delivery does it, whole files only."""
    skipping: list[str] = []
    while (package := device.outbox.next_package(skipping=skipping)) is not None:
        skipping.append(package.package_id)
        try:
            if not device.outbox.is_whole(package):
                logging.getLogger().error("package %s is damaged", package.package_id)
                continue
        except FileNotFoundError:
            continue
        content = device.outbox.content_path(package.package_id).read_bytes()
        yield package.package_id, hashlib.sha256(content).hexdigest()


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _sizes(size_bytes: int, block_bytes: int) -> list[int]:
    """0, 1 byte, half, all but one byte, and each block boundary, thinned evenly when there are many."""
    boundaries = list(range(block_bytes, size_bytes, block_bytes))
    step = max(-(-len(boundaries) // _MOST_BOUNDARIES), 1)
    return list(dict.fromkeys([0, 1, size_bytes // 2, size_bytes - 1, *boundaries[::step]]))

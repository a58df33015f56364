"""`kill -9` of a real daemon while it collects evidence and learns from feedback that keeps arriving.

When and what is drawn from the seed; where in the work a kill falls is up to the machine.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.fakes.sphere import FakeSphere
from tests.reliability.device_disk import (
    Disk,
    evidence_counts,
    evidence_faults,
    fallen_back,
    inspect,
    predicted_indices,
)
from tests.reliability.device_home import drifting_stream, make_home, write_configuration
from tests.support.waiting import eventually
from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.sync.test_packing import read, unpack_content
from tinymlops.v1 import drift_pb2, feedback_pb2

_RUNS = re.compile(r"runs from frame (\d+)")
_START_TIMEOUT_S, _END_TIMEOUT_S = 60.0, 120.0
_EARLY_SHARE, _LONGEST_START_S = 0.2, 1.0
_LONGEST_LIFE_S = 3.5  # an adaptation takes about half of it, so kills fall before, into and after one
_FRAMES_PER_S = 300
_REVIEW_PAUSE_S = (0.2, 1.5)
_UNUSABLE_SHARE = 0.2


@dataclass(slots=True, kw_only=True)
class KillTally:
    """What was counted; every entry of `faults` is a broken promise."""

    kills: int = 0
    early_kills: int = 0
    starts: int = 0
    failed_starts: int = 0
    start_seconds: list[float] = field(default_factory=list)
    adaptations: int = 0
    answers: int = 0
    packages: int = 0
    drift_events: int = 0
    samples: int = 0
    frames: int = 0
    faults: list[str] = field(default_factory=list)


class DeviceProcess:
    """`tinylcm run` as its own process; ``prefix`` runs a program where it is to run."""

    def __init__(self, configuration: Path, log: Path, prefix: Sequence[str] = ()) -> None:
        self._log = log
        self._begin = log.stat().st_size if log.exists() else 0
        self.started_s = time.monotonic()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "tinylcm.daemon", "run", "--config", str(configuration)],
                stdout=output,
                stderr=output,
            )

    def first_index(self) -> int | None:
        """Waits until it runs and returns its first frame; None when it ended by itself."""

        def look() -> tuple[int | None] | None:
            with self._log.open("rb") as log:
                log.seek(self._begin)
                found = _RUNS.search(log.read().decode(errors="replace"))
            if found:
                return (int(found[1]),)
            return (None,) if self.has_ended() else None

        (index,) = eventually(look, timeout_s=_START_TIMEOUT_S)
        return index

    def has_ended(self) -> bool:
        """Whether it ended by itself."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the status."""
        self._process.terminate()
        return self._process.wait(_END_TIMEOUT_S)


class Reviewer:
    """Judges samples that arrived, a few at a time and some again and again, as its seed says."""

    def __init__(self, sphere: FakeSphere, labels: list[str], seed: int) -> None:
        self._sphere = sphere
        self._labels = labels
        self._rng = random.Random(seed)
        self._seen: set[str] = set()
        self._samples: list[drift_pb2.Sample] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reviewer")

    def __enter__(self) -> Reviewer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Gives no more feedback."""
        self._stopping.set()
        self._thread.join()

    def waiting_count(self) -> int:
        """Number of items without a final answer."""
        return sum(not item.outcome for item in self._sphere.feedback.values())

    def _run(self) -> None:
        while not self._stopping.wait(self._rng.uniform(*_REVIEW_PAUSE_S)):
            for package_id in set(self._sphere.packages) - self._seen:
                self._seen.add(package_id)
                files = unpack_content(self._sphere.packages[package_id])[1]
                self._samples += read(files.get("samples.pb", b""), drift_pb2.Sample)
            if self.waiting_count() == 0:
                self._judge(self._rng.randint(1, 4))

    def _judge(self, count: int) -> None:
        for sample in self._rng.sample(self._samples, min(count, len(self._samples))):
            if self._rng.random() < _UNUSABLE_SHARE:  # often after a label: then the device forgets it
                decision, label = drift_pb2.DECISION_UNUSABLE, ""
            else:
                decision = drift_pb2.DECISION_NEW_LABEL
                label = self._labels[sample.source_index % len(self._labels)]
            self._sphere.give_feedback("camera-1", sample, decision=decision, label=label)


def run_kills(count: int, seed: int, progress: Callable[[str], None]) -> KillTally:
    """Kills a device ``count`` times, and looks after each time at what it left behind and how it starts."""
    with tempfile.TemporaryDirectory() as folder, FakeSphere() as sphere:
        home = make_home(Path(folder))
        images, labels = drifting_stream(seed)
        np.savez(home.folder / "stream.npz", frames=images)
        home.tables["source"] = {
            "kind": "recording",
            "path": "stream.npz",
            "at_end": "loop",
            "frames_per_second": _FRAMES_PER_S,
        }
        home.tables["snapshots"] = {"every_frame_count": 100}
        home.install()
        home.serve_from(sphere.address)
        with Reviewer(sphere, labels, seed) as reviewer:
            story = _Story(home, sphere, reviewer, random.Random(seed), progress)
            for number in range(count):
                story.live_and_die(number, count)
            story.end_well()
    return story.tally


class _Story:
    def __init__(
        self,
        home: DeviceFolder,
        sphere: FakeSphere,
        reviewer: Reviewer,
        rng: random.Random,
        progress: Callable[[str], None],
    ) -> None:
        self._home = home
        self._sphere = sphere
        self._reviewer = reviewer
        self._rng = rng
        self._progress = progress
        self._configuration = write_configuration(home)
        self._log = home.folder / "device.log"
        self._before = Disk()
        self.tally = KillTally()

    def live_and_die(self, number: int, count: int) -> None:
        """One life: an early end during the start, or one while it works."""
        process = DeviceProcess(self._configuration, self._log)
        if self._rng.random() < _EARLY_SHARE:
            time.sleep(self._rng.uniform(0, _LONGEST_START_S))
            self.tally.early_kills += 1
        else:
            life_s = self._rng.uniform(0, _LONGEST_LIFE_S)
            self._check_start(process)
            time.sleep(life_s)
        if process.has_ended():
            self._fail_start("it ended by itself")
        process.kill()
        self.tally.kills += 1
        self._look()
        if (number + 1) % max(count // 20, 1) == 0:
            self._progress(
                f"kills {number + 1}/{count}: frame {self._before.next_index:,}, {len(self._before.answered)}"
                f" answers, {len(self._sphere.packages)} packages arrived, {len(self.tally.faults)} faults"
            )

    def end_well(self) -> None:
        """Lets a last life answer and send everything, and compares both sides."""
        self._reviewer.stop()
        process = DeviceProcess(self._configuration, self._log)
        self._check_start(process)
        eventually(lambda: self._reviewer.waiting_count() == 0, timeout_s=_END_TIMEOUT_S)
        if process.stop() != 0:
            self._fail_start("the last life did not end in order")
        self._look()
        self._compare()

    def _check_start(self, process: DeviceProcess) -> None:
        index = process.first_index()
        self.tally.starts += 1
        self.tally.start_seconds.append(time.monotonic() - process.started_s)
        if index is None:
            self._fail_start("it did not start")
        elif index != self._before.next_index:
            self._fail_start(f"it started at frame {index}, committed was {self._before.next_index}")

    def _fail_start(self, reason: str) -> None:
        self.tally.failed_starts += 1
        self.tally.faults.append(reason)
        self._progress(f"kill {self.tally.kills}: {reason}\n{self._log.read_text()[-2000:]}")

    def _look(self) -> None:
        if not (self._home.state / "outbox").exists():
            return
        disk = inspect(self._home.state)
        faults = [
            *disk.faults,
            *fallen_back(self._before, disk),
            *self._lost(disk),
            *self._unkept_answers(disk),
        ]
        self.tally.faults += faults
        for fault in faults:
            self._progress(f"kill {self.tally.kills}: {fault}")
        self._before = disk

    def _lost(self, disk: Disk) -> list[str]:
        kept = disk.packages.keys() | self._sphere.packages.keys()
        return [f"package {package_id} is lost" for package_id in self._before.ready - kept]

    def _unkept_answers(self, disk: Disk) -> list[str]:
        """What the server was told must be in the committed state, with the same adaptation."""
        return [
            f"the answer to {item.feedback_id} was told and is not kept"
            for item in self._sphere.feedback.values()
            if item.outcome and disk.answered.get(item.feedback_id) != item.effect.adaptation_id
        ]

    def _teaches(self, feedback_id: str) -> bool:
        return self._sphere.feedback[feedback_id].decision != drift_pb2.DECISION_UNUSABLE

    def _compare(self) -> None:
        told: defaultdict[str, set[str]] = defaultdict(set)
        for answer in list(self._sphere.answers):
            if answer.outcome == feedback_pb2.FEEDBACK_OUTCOME_APPLIED:
                told[answer.feedback_id].add(answer.effect.adaptation_id)
        faults = [f"{it} was applied {len(ids)} times" for it, ids in told.items() if len(ids) != 1]
        ids = {adaptation_id for ids in told.values() for adaptation_id in ids}
        taught = {adaptation_id for it, ids in told.items() if self._teaches(it) for adaptation_id in ids}
        count = sum(count for _, _, count in self._before.states.values())
        if not len(taught) <= count <= len(ids):  # what was never learned can be put aside without a change
            faults.append(f"{count} adaptations are committed, {len(taught)} to {len(ids)} were told")
        packages = self._sphere.packages | self._before.contents
        faults += evidence_faults(packages)
        missing = set(range(self._before.next_index)) - predicted_indices(
            sorted(self._home.state.glob("predictions.jsonl*"))
        )
        faults += [f"{len(missing)} frames were passed without a prediction"] if missing else []
        self.tally.faults += faults
        self.tally.adaptations, self.tally.answers = len(ids), len(told)
        self.tally.packages, self.tally.frames = len(packages), self._before.next_index
        self.tally.drift_events, self.tally.samples = evidence_counts(packages)

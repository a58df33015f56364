"""A daemon that is shown 10,000 frames of which 1 % are garbage: it refuses those, predicts all others, stays small."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.reliability.device_disk import predicted_indices
from tests.reliability.device_home import drifting_stream, make_home, write_configuration
from tests.support.memory import SETTLED_SHARE, growth, resident_mib
from tests.tinylcm.builders import INPUT_SHAPE

FRAME_COUNT = 10_000
_RECORDING_FRAMES = 100
_END_TIMEOUT_S = 600.0
_LOOK_S = 0.1


@dataclass(slots=True, kw_only=True)
class GarbageTally:
    """What was counted; `growth_mib` is between the medians of the first and the last tenth after settling."""

    frames: int = 0
    garbage: int = 0
    rss_mib: float = 0.0
    growth_mib: float = 0.0
    faults: list[str] = field(default_factory=list)


def garbage(number: int, rng: np.random.Generator) -> NDArray[np.generic]:
    """One frame that no model takes, ``(1, ...)``; every kind in turn."""
    kinds = (
        lambda: np.full((1, *INPUT_SHAPE), np.nan, np.float32),
        lambda: np.full((1, *INPUT_SHAPE), np.inf, np.float32),
        lambda: np.full((1, *INPUT_SHAPE), 3e38, np.float32),
        lambda: rng.integers(0, 255, (1, 5, 5, 1)).astype(np.uint8),
        lambda: np.zeros((1, 0, 4, 1), np.uint8),
        lambda: np.zeros((1, 1), np.uint8),
        lambda: rng.integers(0, 255, (1, 2048, 2048, 3)).astype(np.uint8),
        lambda: np.zeros((1, *INPUT_SHAPE), np.complex64),
        lambda: np.zeros((1, *INPUT_SHAPE), "<i8"),
        lambda: np.zeros((1, *INPUT_SHAPE), "S4"),
    )
    return np.asarray(kinds[number % len(kinds)]())


def run_garbage(frame_count: int, seed: int, progress: Callable[[str], None]) -> GarbageTally:
    """Runs `tinylcm run --until-idle` over recordings with one garbage frame in each hundred."""
    tally = GarbageTally()
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder))
        home.install()
        rng = np.random.default_rng(seed)
        good, _ = drifting_stream(seed)
        expected: set[int] = set()
        for number in range(frame_count // _RECORDING_FRAMES):
            rows = (np.arange(_RECORDING_FRAMES - 1) + number * (_RECORDING_FRAMES - 1)) % len(good)
            home.record(f"{number:04d}-a", good[rows])
            np.savez(home.inbox / f"{number:04d}-b.npz", frames=garbage(number, rng))
            expected |= set(range(tally.frames, tally.frames + len(rows)))
            tally.frames += _RECORDING_FRAMES
            tally.garbage += 1
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tinylcm.daemon",
                "run",
                "--until-idle",
                "--config",
                write_configuration(home),
            ],
            stderr=(log := (home.folder / "device.log").open("wb")),
        )
        sizes = _watch(process)
        log.close()
        if process.returncode != 0:
            text = (home.folder / "device.log").read_text()[-2000:]
            tally.faults.append(f"it ended with status {process.returncode}: {text}")
        predicted = predicted_indices(sorted(home.state.glob("predictions.jsonl*")))
        if predicted != expected:
            tally.faults.append(
                f"{len(expected - predicted)} good frames were not predicted, {len(predicted - expected)} bad ones were"
            )
        _measure(sizes, tally)
    progress(f"garbage: {tally.garbage} of {tally.frames} frames, RSS {tally.rss_mib:.1f} MiB")
    return tally


def _watch(process: subprocess.Popen[bytes]) -> list[float]:
    """Resident memory in MiB, ten times a second until it ends."""
    sizes: list[float] = []
    deadline_s = time.monotonic() + _END_TIMEOUT_S
    while process.poll() is None:
        if time.monotonic() > deadline_s:
            process.kill()
        if (size := resident_mib(process.pid)) is not None:
            sizes.append(size)
        time.sleep(_LOOK_S)
    return sizes


def _measure(sizes: list[float], tally: GarbageTally) -> None:
    if sizes:
        tally.rss_mib = max(sizes[int(len(sizes) * SETTLED_SHARE) :])
        tally.growth_mib = growth(sizes)

"""Every moment at which a device makes something durable, hit once by a kill and once by a power cut."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.reliability.device_disk import fallen_back, inspect
from tests.reliability.device_forks import CUT, in_child
from tests.reliability.device_home import make_home
from tests.reliability.device_life import Life
from tests.reliability.device_power import Power
from tests.tinylcm.bundles import tiny_bundle
from tests.tinylcm.daemon.conftest import DeviceFolder


@dataclass(slots=True, kw_only=True)
class CrashTally:
    """What was counted; every entry of `faults` is a broken promise."""

    points: list[str] = field(default_factory=list)
    cuts: int = 0
    failed_starts: int = 0
    faults: list[str] = field(default_factory=list)


def run_crashes(most: int | None, progress: Callable[[str], None]) -> CrashTally:
    """Cuts a device's life at every named point, or at ``most`` of them evenly spread, and lets it go on."""
    with tempfile.TemporaryDirectory() as folder:
        trials = _Trials(Path(folder), progress)
        return trials.run(most)


class _Trials:
    def __init__(self, folder: Path, progress: Callable[[str], None]) -> None:
        self._folder = folder
        self._home: DeviceFolder = make_home(folder)
        self._home.tables["model"]["trial_frame_count"] = 10
        next_bundle = folder / "tiny-2.bundle"
        tiny_bundle(next_bundle, release_counter=2)
        self._life = Life(self._home, next_bundle, folder / "sent")
        self._progress = progress
        self._tally = CrashTally()

    def run(self, most: int | None) -> CrashTally:
        names, expected = self._undisturbed()
        first_at = {name: number for number, name in reversed(list(enumerate(names, start=1)))}
        self._tally.points = sorted(first_at)
        step = 1 if most is None else max(len(first_at) // most, 1)
        chosen = sorted(first_at.items(), key=lambda item: item[1])[::step]
        for number, (name, moment) in enumerate(chosen, start=1):
            for is_lost in (False, True):
                for fault in self._cut(moment, is_lost=is_lost, expected=expected):
                    self._tally.faults.append(f"{'power cut' if is_lost else 'kill'} {name}: {fault}")
                    self._progress(self._tally.faults[-1])
            if number % max(len(chosen) // 10, 1) == 0:
                self._progress(f"crash points {number}/{len(chosen)}: {len(self._tally.faults)} faults")
        return self._tally

    def _undisturbed(self) -> tuple[list[str], dict[str, Any]]:
        power = Power(0, is_lost=False, aside=self._aside())

        def live() -> list[str]:
            self._quietly(power)
            return power.names

        status, names = in_child(live, self._folder / "answer.json")
        if status != 0:
            raise RuntimeError(f"the undisturbed life failed:\n{names}")
        return names, self._go_on()

    def _cut(self, moment: int, *, is_lost: bool, expected: dict[str, Any]) -> Iterator[str]:
        self._life.forget()
        power = Power(moment, is_lost=is_lost, aside=self._aside())
        status, told = in_child(lambda: self._quietly(power), self._folder / "answer.json")
        if status != CUT:
            yield f"it was not cut: status {status}, {told}"
            return
        self._tally.cuts += 1
        before = inspect(self._home.state)
        yield from before.faults
        try:
            outcome = self._go_on()
        except RuntimeError as error:
            self._tally.failed_starts += 1
            yield str(error)
            return
        yield from fallen_back(before, inspect(self._home.state))
        yield from (f"package {it} is lost" for it in before.ready - set(outcome["packages"]))
        yield from (
            f"{key} is {outcome[key]}, expected {value}"
            for key, value in expected.items()
            if key != "packages" and outcome[key] != value
        )

    def _go_on(self) -> dict[str, Any]:
        def live() -> dict[str, Any]:
            logging.disable()
            self._life.live()
            return self._life.outcome()

        status, outcome = in_child(live, self._folder / "answer.json")
        if status != 0:
            raise RuntimeError(f"it did not go on:\n{outcome}")
        return dict(outcome)

    def _quietly(self, power: Power) -> None:
        logging.disable()
        power.watch()
        self._life.live()

    def _aside(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder))

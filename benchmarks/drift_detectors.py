"""The monitors under test behind one interface: ours, river's, the seed's, and a dummy.

All but ours see the mean distance to the nearest neighbours, raw, as the design this project starts from did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from tinylcm.core.drift.calibration import Calibration, build_monitor
from tinylcm.records import Alarm, DriftCause, Observation, Recovery


@dataclass(frozen=True, slots=True)
class Report:
    """What a detector said at an observation: an alarm, harmful or not, or the end of one."""

    alarm: bool
    harmful: bool = True


class Detector(Protocol):
    """Reads observations one after the other."""

    @property
    def drifting(self) -> bool:
        """Whether harm is said to stand."""

    def update(self, observation: Observation) -> Report | None:
        """Reads one observation."""


class Ours:
    """A calibrated monitor of this project."""

    def __init__(self, calibration: Calibration, name: str = "default") -> None:
        self._monitor = build_monitor(calibration, name)
        self.drifting = False

    def update(self, observation: Observation) -> Report | None:
        """See `Detector`; a prior shift is no harm."""
        report = self._monitor.update(observation)
        if isinstance(report, Alarm):
            harmful = report.cause is not DriftCause.PRIOR_SHIFT
            self.drifting = harmful
            return Report(True, harmful)
        if isinstance(report, Recovery):
            self.drifting = False
            return Report(False)
        return None


class River:
    """A detector of river; it forgets its alarm at the next update."""

    def __init__(self, detector: Any) -> None:
        self._detector = detector

    @property
    def drifting(self) -> bool:
        """See `Detector`."""
        return bool(self._detector.drift_detected)

    def update(self, observation: Observation) -> Report | None:
        """See `Detector`."""
        self._detector.update(observation.prediction.mean_distance)
        return Report(True) if self._detector.drift_detected else None


class SeedMonitor:
    """The monitor of the design this project starts from, literally.

    Page-Hinkley on the running mean; a drift ends when one sample is below 1.2 times that mean.
    """

    def __init__(
        self, *, delta: float = 0.005, threshold: float = 50.0, recovery_factor: float = 1.2
    ) -> None:
        self._delta, self._threshold, self._factor = delta, threshold, recovery_factor
        self._count, self._mean = 0, 0.0
        self._sum = self._lowest = 0.0
        self.drifting = False

    def update(self, observation: Observation) -> Report | None:
        """See `Detector`."""
        value = observation.prediction.mean_distance
        self._count += 1
        self._mean += (value - self._mean) / self._count
        if self.drifting:
            if value >= self._mean * self._factor:
                return None
            self.drifting = False
            self._sum = self._lowest = 0.0
            return Report(False)
        self._sum += value - self._mean - self._delta
        self._lowest = min(self._lowest, self._sum)
        self.drifting = self._sum - self._lowest > self._threshold
        return Report(True) if self.drifting else None


class Dummy:
    """Raises an alarm at every hundredth observation."""

    drifting = False

    def update(self, observation: Observation) -> Report | None:
        """See `Detector`."""
        self.drifting = (observation.source_index + 1) % 100 == 0
        return Report(True) if self.drifting else None


def detectors() -> Mapping[str, Callable[[Calibration], Detector]]:
    """Makers of all detectors, by the prefix of their figures; ours has none."""
    drift: Any = import_module("river.drift")
    return {
        "": Ours,
        "seed_": lambda _: SeedMonitor(),
        "river_ph_": lambda _: River(drift.PageHinkley()),
        "river_adwin_": lambda _: River(drift.ADWIN()),
        "river_kswin_": lambda _: River(drift.KSWIN(seed=0)),
        "dummy_": lambda _: Dummy(),
    }

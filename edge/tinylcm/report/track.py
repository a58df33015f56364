"""What happened to a stream, frame by frame: the numbers that reports are made of."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from tinylcm.records import Alarm, Observation, Recovery

_UNKNOWN = -1


@dataclass(slots=True, kw_only=True)
class Drift:
    """An alarm, and the index of its recovery once there was one."""

    alarm: Alarm
    recovery_index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The statistic of one test after every frame, ``(n,) float32``, NaN where a frame was refused."""

    detector: str
    statistics: NDArray[np.float32]
    threshold: float


class Track:
    """Grows by one row per frame; 4 bytes a number, so that a long replay fits into memory."""

    def __init__(self) -> None:
        self.drifts: list[Drift] = []
        self.refusals: list[tuple[int, str]] = []
        self._standing: dict[str, Drift] = {}
        self._names: dict[str, int] = {}
        self._distances, self._confidences = array("f"), array("f")
        self._predicted, self._truth = array("i"), array("i")
        self._flags = array("b")
        self._statistics: dict[str, array[float]] = {}
        self._thresholds: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._distances)

    def add(
        self,
        observation: Observation,
        readings: Sequence[tuple[str, float, float]],
        report: Alarm | Recovery | None,
        *,
        truth: str | None,
    ) -> None:
        """Takes an observed frame: where each test stands (detector, statistic, threshold), and what it led to."""
        self._note(report)
        prediction = observation.prediction
        self._append(prediction.mean_distance, prediction.confidence, prediction.label, truth)
        for detector, statistic, threshold in readings:
            self._thresholds[detector] = threshold
            column = self._statistics.setdefault(detector, array("f"))
            column.extend([nan] * (len(self) - 1 - len(column)))
            column.append(statistic)

    def refuse(self, reason: str, *, truth: str | None) -> None:
        """Takes a frame that could not be observed."""
        self.refusals.append((len(self), reason))
        self._append(nan, nan, None, truth)

    def _append(self, distance: float, confidence: float, predicted: str | None, truth: str | None) -> None:
        self._distances.append(distance)
        self._confidences.append(confidence)
        self._predicted.append(self._code(predicted))
        self._truth.append(self._code(truth))
        self._flags.append(bool(self._standing))

    def _note(self, report: Alarm | Recovery | None) -> None:
        if isinstance(report, Alarm):
            self.drifts.append(Drift(alarm=report))
            self._standing[report.detector] = self.drifts[-1]
        elif isinstance(report, Recovery):
            self._standing.pop(report.detector).recovery_index = report.recovery_index

    def _code(self, name: str | None) -> int:
        return _UNKNOWN if name is None else self._names.setdefault(name, len(self._names))

    @property
    def distances(self) -> NDArray[np.float32]:
        """Mean neighbour distance of every frame, ``(n,)``, NaN where a frame was refused."""
        return np.array(self._distances, dtype=np.float32)

    @property
    def confidences(self) -> NDArray[np.float32]:
        """Confidence of every prediction, ``(n,)``, NaN where a frame was refused."""
        return np.array(self._confidences, dtype=np.float32)

    @property
    def drifting(self) -> NDArray[np.bool_]:
        """Whether a drift stood after every frame, ``(n,)``."""
        return np.array(self._flags, dtype=np.bool_)

    @property
    def curves(self) -> tuple[Curve, ...]:
        """One per test, in the order of their first appearance."""
        return tuple(
            Curve(
                detector=detector,
                statistics=self._padded(column),
                threshold=self._thresholds[detector],
            )
            for detector, column in self._statistics.items()
        )

    def _padded(self, column: "array[float]") -> NDArray[np.float32]:
        values = np.full(len(self), nan, dtype=np.float32)
        values[: len(column)] = column
        return values

    @property
    def correct(self) -> NDArray[np.float32]:
        """1 where the prediction is the truth, 0 where not, NaN where either is unknown, ``(n,)``."""
        predicted, truth = np.array(self._predicted), np.array(self._truth)
        known = (predicted != _UNKNOWN) & (truth != _UNKNOWN)
        return np.where(known, predicted == truth, nan).astype(np.float32)

"""A small world of Gaussian classes with a real classifier: what the tests of the monitors run on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

import numpy as np

from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.core.drift.calibration import Calibration, calibrate
from tinylcm.core.drift.monitor import Monitor
from tinylcm.records import Alarm, Observation, Prediction, Recovery

MOMENT = datetime(2025, 1, 1, tzinfo=UTC)
CLASSES = ("bag", "coat", "dress", "shirt", "sneaker")
DIMENSION_COUNT = 6
PER_CLASS = 100

Report = Alarm | Recovery


class GaussianWorld:
    """Five classes in six dimensions, 100 stored samples of each."""

    def __init__(self, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.centres = 2.5 * rng.normal(size=(len(CLASSES) + 1, DIMENSION_COUNT))
        self.knn = LightweightKNN(len(CLASSES) * PER_CLASS, DIMENSION_COUNT)
        for index, label in enumerate(CLASSES):
            for row, point in enumerate(self.points(np.full(PER_CLASS, index), rng)):
                self.knn.add(point, label, f"{label}/{row}", trusted=True)

    def points(self, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Points of class numbers; one beyond the last is a class nobody knows."""
        spread = rng.normal(size=(len(classes), DIMENSION_COUNT))
        return (self.centres[classes] + spread).astype(np.float32)

    def calibration(self, **options: object) -> Calibration:
        """Calibrated on the stored samples, each judged by the others."""
        predictions = self.knn.leave_one_out_predictions()
        columns = {
            "points": self.knn.points,
            "labels": np.array(self.knn.labels),
            "predicted": np.array([one.label for one in predictions]),
            "mean_distances": np.array([one.mean_distance for one in predictions]),
            "confidences": np.array([one.confidence for one in predictions]),
            "rng": np.random.default_rng(1),
        }
        return calibrate(**(columns | options))  # type: ignore[arg-type]  # options replace columns

    def observe(self, points: np.ndarray, first_index: int = 0) -> list[Observation]:
        """What the device sees of points."""
        return [
            observation(first_index + index, point, self.knn.predict(point))
            for index, point in enumerate(points)
        ]

    def stream(
        self, *parts: tuple[int, float], seed: int = 0, classes: Sequence[int] = range(len(CLASSES))
    ) -> list[Observation]:
        """Parts of so many samples, moved by so much in every dimension."""
        rng = np.random.default_rng((seed, 99))
        drawn = [
            self.points(rng.choice(np.array(classes), count), rng) + np.float32(shift)
            for count, shift in parts
        ]
        return self.observe(np.concatenate(drawn))


@cache
def world() -> GaussianWorld:
    """The world that most tests share."""
    return GaussianWorld()


@cache
def calibration() -> Calibration:
    """Its calibration."""
    return world().calibration()


def observation(index: int, point: np.ndarray, prediction: Prediction) -> Observation:
    """An observation whose embedding is its point."""
    return Observation(
        source_index=index, capture_time=MOMENT, embedding=point, point=point, prediction=prediction
    )


def run(monitor: Monitor, observations: Sequence[Observation]) -> list[Report]:
    """Everything a monitor reports."""
    return [report for item in observations if (report := monitor.update(item)) is not None]


def alarms(reports: Sequence[Report]) -> list[Alarm]:
    """The alarms among reports."""
    return [report for report in reports if isinstance(report, Alarm)]

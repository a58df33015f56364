"""From stored reference samples to monitors with a promised false-alarm budget."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.bootstrap import alarm_threshold, expected_delays
from tinylcm.core.drift.cusum import TwoSidedCusum, cusum_paths
from tinylcm.core.drift.episode import EpisodeSettings
from tinylcm.core.drift.monitor import Monitor
from tinylcm.core.drift.monitors import ScalarMonitor, distance_score
from tinylcm.core.drift.reference import ClassLaw, fit_class_law
from tinylcm.core.drift.state import read_numbers, read_part
from tinylcm.errors import InputError, StateError
from tinylcm.ports import Json
from tinylcm.records import DriftType, FloatVector

_VERSION = 1
_SLACKS = (0.1, 0.25, 0.5, 1.0)
_STREAM_COUNT = 400
_STEP_COUNT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A calibrated test: slack and threshold, and the delay to expect by shift in standard deviations."""

    slack: float
    threshold: float
    expected_delays: dict[str, float]

    def to_json(self) -> Json:
        """Returns JSON values."""
        return {"slack": self.slack, "threshold": self.threshold, "expected_delays": self.expected_delays}

    @classmethod
    def from_json(cls, stored: Json) -> "Limits":
        """Reads what `to_json` wrote; raises StateError when it is damaged."""
        numbers = read_numbers(stored, ("slack", "threshold"), "limits")
        delays = read_part(stored, "expected_delays", "limits")
        return cls(
            slack=numbers["slack"],
            threshold=numbers["threshold"],
            expected_delays=read_numbers(delays, delays, "expected_delays"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The frozen reference of all monitors, and the limits that keep their budget.

    Attributes:
        budget_predictions: At most one false alarm in this many predictions, all monitors of "default" together.
        runtime: Engine and version whose embeddings the reference was made with.
        sample_count: Reference samples it stands on.
        distance: Law of the mean neighbour distance within each predicted class.
        limits: By name of the monitor.
    """

    budget_predictions: int
    runtime: str
    sample_count: int
    distance: ClassLaw
    limits: dict[str, Limits]

    def to_json(self) -> Json:
        """Returns JSON values."""
        return {
            "version": _VERSION,
            "budget_predictions": self.budget_predictions,
            "runtime": self.runtime,
            "sample_count": self.sample_count,
            "distance": self.distance.to_json(),
            "limits": {name: limits.to_json() for name, limits in self.limits.items()},
        }

    @classmethod
    def from_json(cls, stored: Json) -> "Calibration":
        """Reads what `to_json` wrote.

        Raises:
            StateError: It is damaged, or of an unknown version.
        """
        numbers = read_numbers(stored, ("version", "budget_predictions", "sample_count"), "calibration")
        if numbers["version"] != _VERSION:
            raise StateError(f"calibration: expected version {_VERSION}, got {numbers['version']}")
        limits = read_part(stored, "limits", "calibration")
        return cls(
            budget_predictions=int(numbers["budget_predictions"]),
            runtime=str(stored.get("runtime", "")),
            sample_count=int(numbers["sample_count"]),
            distance=ClassLaw.from_json(read_part(stored, "distance", "calibration")),
            limits={name: Limits.from_json(read_part(limits, name, "limits")) for name in limits},
        )


def calibrate(
    points: FloatVector,
    labels: NDArray[np.str_],
    predicted: NDArray[np.str_],
    mean_distances: NDArray[np.floating],
    *,
    budget_predictions: int = 10_000,
    rng: np.random.Generator,
    runtime: str = "",
) -> Calibration:
    """Learns what is normal from the stored reference samples, each judged by the others (leave-one-out).

    Args:
        points: ``(n, p) float32``.
        labels: True labels, ``(n,)``.
        predicted: Labels predicted for each sample without itself, ``(n,)``.
        mean_distances: Mean distances to its neighbours among the others, ``(n,)``.
        budget_predictions: At most one false alarm in this many predictions.
        rng: Source of the bootstrap.
        runtime: Engine and version that made the embeddings.

    Raises:
        InputError: Fewer than two samples, lengths that differ, or values that are not finite.
    """
    _check(points, labels, predicted, mean_distances)
    distances = np.asarray(mean_distances, dtype=np.float64)
    names = np.asarray(predicted, dtype=np.str_)
    return Calibration(
        budget_predictions=budget_predictions,
        runtime=runtime,
        sample_count=len(points),
        distance=fit_class_law(distances, names),
        limits={"knn_distance.cusum": _distance_limits(distances, names, budget_predictions, rng)},
    )


def build_monitor(calibration: Calibration, name: str = "default") -> Monitor:
    """Returns a fresh monitor of that name.

    Raises:
        InputError: There is no monitor of that name.
    """
    names = ("default", *calibration.limits)
    if name not in names:
        raise InputError(f"monitor {name!r} is unknown; expected one of {', '.join(names)}")
    limits = calibration.limits["knn_distance.cusum"]
    test = TwoSidedCusum(slack=limits.slack, threshold=limits.threshold)
    score = distance_score(calibration.distance)
    return ScalarMonitor("knn_distance.cusum", DriftType.KNN_DISTANCE, score, test, EpisodeSettings())


def _check(points: FloatVector, *columns: NDArray[np.generic]) -> None:
    if len(points) < 2 or any(len(column) != len(points) for column in columns):
        lengths = [len(points), *(len(column) for column in columns)]
        raise InputError(f"expected two or more samples in columns of one length, got lengths {lengths}")
    if not (np.isfinite(points).all() and np.isfinite(np.asarray(columns[-1], dtype=np.float64)).all()):
        raise InputError("points or mean_distances are not finite")


def _distance_limits(
    distances: NDArray[np.float64], predicted: NDArray[np.str_], budget: int, rng: np.random.Generator
) -> Limits:
    """Tries every slack on the same streams and keeps the one that finds a shift of one sigma first."""
    scores = _bootstrap_scores(distances, predicted, rng)
    candidates = []
    for slack in _SLACKS:

        def paths(streams: NDArray[np.float64], slack: float = slack) -> NDArray[np.float64]:
            return cusum_paths(streams, slack)

        threshold = alarm_threshold(paths(scores), budget)
        delays = expected_delays(scores, paths, threshold)
        candidates.append(Limits(slack=slack, threshold=threshold, expected_delays=delays))
    return min(candidates, key=lambda limits: limits.expected_delays["1.0"])


def _bootstrap_scores(
    distances: NDArray[np.float64], predicted: NDArray[np.str_], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Scores of undrifted streams ``(streams, steps)``, each against a reference drawn anew."""
    count = len(distances)
    scores = np.empty((_STREAM_COUNT, _STEP_COUNT))
    for stream in range(_STREAM_COUNT):
        drawn = rng.integers(0, count, count)
        law = fit_class_law(distances[drawn], predicted[drawn])
        means = np.array([law.laws.get(str(label), law.overall) for label in predicted])
        standard = (distances - means[:, 0]) / means[:, 1]
        scores[stream] = standard[rng.integers(0, count, _STEP_COUNT)]
    return scores

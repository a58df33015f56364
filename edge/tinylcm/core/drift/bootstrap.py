"""Thresholds that keep a promise: at most one false alarm in so many predictions.

A threshold is a quantile of the highest statistic that undrifted streams reach. The streams are made by a two-level
bootstrap (Efron and Tibshirani 1993): each draws its own reference, and with it the error every estimated mean
carries, and only then its samples. Without the first level the alarms come about three times as often as promised.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SHIFTS_SIGMA = (0.5, 1.0, 2.0, 3.0)
"""Shifts whose expected delay a calibration states, in reference standard deviations."""

Paths = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""The statistic of every stream at every step: ``(streams, steps) -> (streams, steps)``."""


def alarm_threshold(paths: NDArray[np.float64], budget_predictions: float) -> float:
    """The threshold that a stream crosses once in ``budget_predictions`` steps on average.

    Crossings of rare events come as a Poisson process: a stream of t steps stays below with probability
    ``exp(-t / budget)``, so this quantile of the streams' highest statistics is the threshold.

    Args:
        paths: Statistic of undrifted streams, ``(streams, steps)``.
    """
    quiet_share = np.exp(-paths.shape[1] / budget_predictions)
    return float(np.quantile(paths.max(axis=1), quiet_share))


def mean_delay(paths: NDArray[np.float64], threshold: float) -> float:
    """Mean number of steps until the statistic crosses; a stream that never does counts with all its steps."""
    crossed = paths > threshold
    first = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, paths.shape[1])
    return float(first.mean())


def expected_delays(scores: NDArray[np.float64], paths: Paths, threshold: float) -> dict[str, float]:
    """Mean delay for each of `SHIFTS_SIGMA`, measured on undrifted scores ``(streams, steps)`` with it added."""
    return {str(shift): mean_delay(paths(scores + shift * scores.std()), threshold) for shift in SHIFTS_SIGMA}

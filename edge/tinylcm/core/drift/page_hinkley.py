"""Page-Hinkley: a CUSUM whose reference is the running mean of the stream itself.

Sources: Hinkley, D. V. (1971), "Inference about the change-point from cumulative sum tests", Biometrika 58 (3),
509-523; Gama et al. (2014), "A survey on concept drift adaptation", ACM Computing Surveys 46 (4). With
``direction="up"`` the first alarm falls on the same index as river's ``PageHinkley(mode="up", alpha=1.0,
min_instances=1)``.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.state import read_numbers
from tinylcm.ports import Json

Direction = Literal["up", "down", "both"]
_NUMBERS = ("count", "mean", "upper", "upper_count", "lower", "lower_count")


class PageHinkley:
    """Sums how far values lie from their running mean, beyond a tolerance.

    ``upper`` is the textbook's ``m_t - min(m)`` in one number, ``max(0, upper + value - mean - delta)``: the same
    test without a sum that grows for ever. The mean follows the stream, so a sustained shift fades; where a frozen
    reference exists, `TwoSidedCusum` is the better test.

    Args:
        delta: Half the smallest shift worth noticing, in units of the values.
        threshold: Lambda of the literature, in the same units; an absolute number, so standardise the values.
        direction: Which shifts count.

    >>> test = PageHinkley(delta=0.005, threshold=5.0, direction="up")
    >>> values = [1.0, 1.2, 0.8] * 10 + [3.0] * 10
    >>> next(index for index, value in enumerate(values) if test.update(value) > test.threshold)
    32
    """

    __slots__ = (
        "_count",
        "_lower",
        "_lower_count",
        "_mean",
        "_upper",
        "_upper_count",
        "delta",
        "direction",
        "threshold",
    )

    def __init__(self, *, delta: float, threshold: float, direction: Direction = "both") -> None:
        self.delta = delta
        self.threshold = threshold
        self.direction = direction
        self.reset()

    def reset(self) -> None:
        """Forgets the stream, its mean included."""
        self._count = self._upper_count = self._lower_count = 0
        self._mean = self._upper = self._lower = 0.0

    def update(self, score: float) -> float:
        """Takes one value and returns the statistic."""
        self._count += 1
        self._mean += (score - self._mean) / self._count
        deviation = score - self._mean
        upper = self._upper + deviation - self.delta
        lower = self._lower - deviation - self.delta
        self._upper_count = self._upper_count + 1 if upper > 0.0 else 0
        self._lower_count = self._lower_count + 1 if lower > 0.0 else 0
        self._upper = upper if upper > 0.0 else 0.0
        self._lower = lower if lower > 0.0 else 0.0
        return self.statistic

    @property
    def statistic(self) -> float:
        """The larger sum of those that count."""
        if self.direction == "up":
            return self._upper
        if self.direction == "down":
            return self._lower
        return self._upper if self._upper > self._lower else self._lower

    @property
    def _rising(self) -> bool:
        return self.direction == "up" or (self.direction == "both" and self._upper > self._lower)

    @property
    def run_length(self) -> int:
        """Values since the winning sum left zero: the estimated age of the shift."""
        return self._upper_count if self._rising else self._lower_count

    @property
    def shift(self) -> float:
        """Mean distance from the running mean since the estimated change point, signed; 0.0 before any."""
        if self.run_length == 0:
            return 0.0
        size = self.statistic / self.run_length + self.delta
        return size if self._rising else -size

    def state(self) -> Json:
        """Returns six numbers."""
        return {
            "count": self._count,
            "mean": self._mean,
            "upper": self._upper,
            "upper_count": self._upper_count,
            "lower": self._lower,
            "lower_count": self._lower_count,
        }

    def restore(self, state: Json) -> None:
        """Takes up stored numbers; StateError leaves the test as it was."""
        numbers = read_numbers(state, _NUMBERS, "page_hinkley")
        self._count, self._mean = int(numbers["count"]), numbers["mean"]
        self._upper, self._upper_count = numbers["upper"], int(numbers["upper_count"])
        self._lower, self._lower_count = numbers["lower"], int(numbers["lower_count"])


class PageHinkleyBank:
    """`PageHinkley` in both directions on many streams at once, each with its slack; for calibration, never reset."""

    def __init__(self, stream_count: int, dimension_count: int, slack: float | NDArray[np.float64]) -> None:
        self._count = 0
        self._delta = slack
        self._mean, self._upper, self._lower = (np.zeros(stream_count) for _ in range(3))

    def step(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Takes one value of every stream ``(streams, 1)``; returns the statistics ``(streams,)``."""
        values = scores[:, 0]
        self._count += 1
        self._mean += (values - self._mean) / self._count
        deviations = values - self._mean
        self._upper = np.maximum(self._upper + deviations - self._delta, 0.0)
        self._lower = np.maximum(self._lower - deviations - self._delta, 0.0)
        return np.maximum(self._upper, self._lower)

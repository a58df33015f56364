"""Two-sided CUSUM against a frozen reference.

Source: Page, E. S. (1954), "Continuous Inspection Schemes", Biometrika 41 (1/2), 100-115.
"""

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.state import read_numbers
from tinylcm.ports import Json


class TwoSidedCusum:
    """Sums what exceeds the slack, upwards and downwards; scores are in reference standard deviations.

    ``upper = max(0, upper + score - slack)``, ``lower = max(0, lower - score - slack)``, and the statistic is the
    larger one. Nothing of the stream enters the reference, so a sustained shift is never absorbed.

    Args:
        slack: Half the smallest shift worth noticing, in standard deviations.
        threshold: The statistic above which the stream counts as shifted.

    >>> test = TwoSidedCusum(slack=0.25, threshold=5.0)
    >>> scores = [0.1, -0.2, 0.3, 0.0] + [-1.5] * 10
    >>> next(index for index, score in enumerate(scores) if test.update(score) > test.threshold)
    8
    >>> test.shift, test.run_length
    (-1.5, 5)
    """

    __slots__ = ("_lower", "_lower_count", "_upper", "_upper_count", "slack", "threshold")

    def __init__(self, *, slack: float, threshold: float) -> None:
        self.slack = slack
        self.threshold = threshold
        self.reset()

    def reset(self) -> None:
        """Forgets the stream."""
        self._upper = self._lower = 0.0
        self._upper_count = self._lower_count = 0

    def update(self, score: float) -> float:
        """Takes one score and returns the statistic."""
        upper = self._upper + score - self.slack
        lower = self._lower - score - self.slack
        if upper > 0.0:
            self._upper, self._upper_count = upper, self._upper_count + 1
        elif self._upper_count:
            self._upper, self._upper_count = 0.0, 0
        if lower > 0.0:
            self._lower, self._lower_count = lower, self._lower_count + 1
        elif self._lower_count:
            self._lower, self._lower_count = 0.0, 0
        return self._upper if self._upper > self._lower else self._lower

    @property
    def statistic(self) -> float:
        """The larger sum."""
        return max(self._upper, self._lower)

    @property
    def run_length(self) -> int:
        """Scores since the winning sum left zero: the estimated age of the shift."""
        return self._upper_count if self._upper > self._lower else self._lower_count

    @property
    def shift(self) -> float:
        """Mean score since the estimated change point, signed; 0.0 before any."""
        if self.run_length == 0:
            return 0.0
        size = max(self._upper, self._lower) / self.run_length + self.slack
        return size if self._upper > self._lower else -size

    def state(self) -> Json:
        """Returns four numbers."""
        return {
            "upper": self._upper,
            "upper_count": self._upper_count,
            "lower": self._lower,
            "lower_count": self._lower_count,
        }

    def restore(self, state: Json) -> None:
        """Takes up stored numbers; StateError leaves the test as it was."""
        numbers = read_numbers(state, ("upper", "upper_count", "lower", "lower_count"), "cusum")
        self._upper, self._upper_count = numbers["upper"], int(numbers["upper_count"])
        self._lower, self._lower_count = numbers["lower"], int(numbers["lower_count"])


class CusumBank:
    """`TwoSidedCusum` on many streams at once, each with its slack; for calibration, never reset."""

    def __init__(self, stream_count: int, dimension_count: int, slack: float | NDArray[np.float64]) -> None:
        self._slack = slack
        self._upper, self._lower = np.zeros(stream_count), np.zeros(stream_count)

    def step(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Takes one score of every stream ``(streams, 1)``; returns the statistics ``(streams,)``."""
        values = scores[:, 0]
        self._upper = np.maximum(self._upper + values - self._slack, 0.0)
        self._lower = np.maximum(self._lower - values - self._slack, 0.0)
        return np.maximum(self._upper, self._lower)

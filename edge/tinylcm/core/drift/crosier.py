"""Crosier's multivariate CUSUM against a frozen reference.

Source: Crosier, R. B. (1988), "Multivariate Generalizations of Cumulative Sum Quality-Control Schemes",
Technometrics 30 (3), 291-303.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.state import read_vector
from tinylcm.ports import Json


class CrosierCusum:
    """Sums score vectors and shrinks the sum towards zero by the slack, so that only a common direction adds up.

    ``v = sum + score``; ``sum = v (1 - slack / |v|)`` when ``|v| > slack``, else 0; the statistic is ``|sum|``.
    Scores are whitened: without drift their mean is 0 and their covariance the identity.

    Args:
        dimension_count: Length of a score vector.
        slack: Half the length of the smallest shift worth noticing, in standard deviations.
        threshold: The statistic above which the stream counts as shifted.

    >>> test = CrosierCusum(dimension_count=2, slack=0.5, threshold=4.0)
    >>> scores = [np.array([0.1, -0.2])] * 3 + [np.array([0.0, 1.5])] * 10
    >>> next(index for index, score in enumerate(scores) if test.update(score) > test.threshold)
    7
    """

    __slots__ = ("_sum", "dimension_count", "slack", "threshold")

    def __init__(self, *, dimension_count: int, slack: float, threshold: float) -> None:
        self.dimension_count = dimension_count
        self.slack = slack
        self.threshold = threshold
        self.reset()

    def reset(self) -> None:
        """Forgets the stream."""
        self._sum = np.zeros(self.dimension_count)

    def update(self, score: NDArray[np.float64]) -> float:
        """Takes one score vector ``(dimension_count,)`` and returns the statistic."""
        candidate = self._sum + score
        length = math.sqrt(candidate.dot(candidate))
        if length <= self.slack:
            self.reset()
            return 0.0
        candidate *= 1.0 - self.slack / length
        self._sum = candidate
        return length - self.slack

    @property
    def statistic(self) -> float:
        """Length of the sum."""
        return math.sqrt(self._sum.dot(self._sum))

    def state(self) -> Json:
        """Returns the sum."""
        return {"sum": self._sum.tolist()}

    def restore(self, state: Json) -> None:
        """Takes up a stored sum; StateError leaves the test as it was."""
        self._sum = read_vector(state, "sum", self.dimension_count, "crosier")


class CrosierBank:
    """`CrosierCusum` on many streams at once, each with its slack; for calibration, never reset."""

    def __init__(self, stream_count: int, dimension_count: int, slack: float | NDArray[np.float64]) -> None:
        self._sums = np.zeros((stream_count, dimension_count))
        self._slack = slack

    def step(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Takes one score vector of every stream ``(streams, dimensions)``; returns the statistics ``(streams,)``."""
        self._sums += scores
        lengths = np.sqrt(np.einsum("ij,ij->i", self._sums, self._sums))
        kept = np.maximum(lengths - self._slack, 0.0)
        self._sums *= (kept / np.maximum(lengths, 1e-300))[:, None]
        return np.asarray(kept)

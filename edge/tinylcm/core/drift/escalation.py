"""Notice that a standing drift has moved on: another has come upon it, and deserves an alarm of its own."""

import math

import numpy as np

from tinylcm.core.drift.scores import FloatArray
from tinylcm.core.drift.state import read_numbers, read_vector
from tinylcm.ports import Json

FIRST_COUNT = 50
"""Observations of a drift that tell how far it had moved when it was found."""
_RATE = 0.02
_FURTHER_SIGMA = 1.5


class Escalation:
    """Compares where a drift stands lately with where it stood at first.

    >>> escalation = Escalation(dimension_count=1)
    >>> any(escalation.take(np.array([1.0])) for _ in range(1000))
    False
    >>> next(count for count in range(1, 1000) if escalation.take(np.array([6.0])))
    35
    """

    __slots__ = ("_count", "_first_sum", "_lately")

    def __init__(self, dimension_count: int) -> None:
        self._first_sum = np.zeros(dimension_count)
        self.clear()

    def clear(self) -> None:
        """Forgets the drift."""
        self._count = 0
        self._first_sum = np.zeros(len(self._first_sum))
        self._lately = np.zeros(len(self._first_sum))

    def take(self, residual: FloatArray) -> bool:
        """Takes a residual ``(r,)``; whether the drift moved on by more than it had moved at first."""
        self._lately += _RATE * (residual - self._lately)
        if self._count < FIRST_COUNT:
            self._count += 1
            self._first_sum += residual
            return False
        first = self._first_sum / FIRST_COUNT
        further = self._lately - first
        return math.sqrt(further.dot(further)) > _FURTHER_SIGMA + math.sqrt(first.dot(first))

    def state(self) -> Json:
        """Returns JSON values of a fixed size."""
        return {
            "count": self._count,
            "first_sum": self._first_sum.tolist(),
            "lately": self._lately.tolist(),
        }

    def restore(self, state: Json) -> None:
        """Takes up stored values; StateError leaves it as it was."""
        dimension_count = len(self._first_sum)
        count = int(read_numbers(state, ("count",), "escalation")["count"])
        first_sum = read_vector(state, "first_sum", dimension_count, "escalation")
        self._lately = read_vector(state, "lately", dimension_count, "escalation")
        self._count, self._first_sum = count, first_sum

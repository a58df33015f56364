"""A channel is one view on the stream: a score, and a sequential test of it against the frozen reference."""

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.crosier import CrosierCusum
from tinylcm.core.drift.scores import ScalarScore, VectorScore
from tinylcm.core.drift.state import read_numbers, read_part, read_vector
from tinylcm.ports import Json
from tinylcm.records import DriftType, Observation

_MEMORY_COUNT = 200
"""A drift that changes its direction is followed with this memory, in observations."""


class Channel(Protocol):
    """Scores observations and tests the scores; follows a drift back to the reference once it has begun.

    Scores are made first and taken later, so that a refused observation changes nothing.
    """

    name: str
    type: DriftType

    @property
    def threshold(self) -> float:
        """The statistic above which the stream counts as shifted."""

    @property
    def statistic(self) -> float:
        """Where the test stands."""

    @property
    def run_length(self) -> int:
        """Observations since the estimated change point."""

    @property
    def shift(self) -> float:
        """Estimated shift since the change point, in reference standard deviations."""

    def score(self, observation: Observation) -> Any:
        """Returns the score; raises InputError, naming the value, when one is not finite."""

    def take(self, score: Any) -> float:
        """Takes a score and returns the statistic."""

    def enter(self) -> float:
        """Begins to follow a drift; returns its estimated level along its own direction, above 0."""

    def follow(self, score: Any) -> float:
        """Returns a score of a drifting stream along the drift's direction; the test rests at 0."""

    def reset(self) -> None:
        """Forgets the stream."""

    def state(self) -> Json:
        """Returns JSON values of a fixed size."""

    def restore(self, state: Json) -> None:
        """Takes up stored values; StateError leaves the channel as it was."""


class SequentialTest(Protocol):
    """Accumulates scalar scores; an alarm is due when the statistic exceeds the threshold."""

    threshold: float

    @property
    def statistic(self) -> float:
        """Where the test stands."""

    def update(self, score: float) -> float:
        """Takes one score and returns the statistic."""

    @property
    def run_length(self) -> int:
        """Scores since the estimated change point."""

    @property
    def shift(self) -> float:
        """Mean score since the estimated change point, signed."""

    def reset(self) -> None:
        """Forgets the stream."""

    def state(self) -> Json:
        """Returns JSON values."""

    def restore(self, state: Json) -> None:
        """Takes up stored values; StateError leaves the test as it was."""


class ScalarChannel:
    """A `Channel` of one number per observation."""

    __slots__ = ("_sign", "_test", "name", "score", "take", "type")

    def __init__(self, name: str, drift_type: DriftType, score: ScalarScore, test: SequentialTest) -> None:
        self.name = name
        self.type = drift_type
        self.score = score
        self.take = test.update
        self._test = test
        self._sign = 1.0

    @property
    def threshold(self) -> float:
        """See `Channel`."""
        return self._test.threshold

    @property
    def statistic(self) -> float:
        """See `Channel`."""
        return self._test.statistic

    @property
    def run_length(self) -> int:
        """See `Channel`."""
        return self._test.run_length

    @property
    def shift(self) -> float:
        """See `Channel`; signed."""
        return self._test.shift

    def enter(self) -> float:
        """See `Channel`."""
        self._sign = math.copysign(1.0, self._test.shift)
        return abs(self._test.shift)

    def follow(self, score: float) -> float:
        """See `Channel`."""
        self._test.reset()
        return self._sign * score

    def reset(self) -> None:
        """See `Channel`."""
        self._test.reset()
        self._sign = 1.0

    def state(self) -> Json:
        """See `Channel`."""
        return {"test": self._test.state(), "sign": self._sign}

    def restore(self, state: Json) -> None:
        """See `Channel`."""
        sign = read_numbers(state, ("sign",), self.name)["sign"]
        self._test.restore(read_part(state, "test", self.name))
        self._sign = sign


class VectorChannel:
    """A `Channel` of a vector per observation, tested by `CrosierCusum`.

    The change point is estimated as the last time the statistic was where it usually is without drift. The mean
    since then is the shift; it is learned on while the drift lasts, and gives the direction of the way back.
    """

    __slots__ = ("_count", "_rest_level", "_sum", "_test", "name", "score", "type")

    def __init__(
        self, name: str, drift_type: DriftType, score: VectorScore, test: CrosierCusum, rest_level: float
    ) -> None:
        self.name = name
        self.type = drift_type
        self.score = score
        self._test = test
        self._rest_level = rest_level
        self._forget()

    def _forget(self) -> None:
        self._count = 0
        self._sum = np.zeros(self._test.dimension_count)

    @property
    def threshold(self) -> float:
        """See `Channel`."""
        return self._test.threshold

    @property
    def statistic(self) -> float:
        """See `Channel`."""
        return self._test.statistic

    @property
    def run_length(self) -> int:
        """See `Channel`."""
        return self._count

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean score since the change point."""
        return np.asarray(self._sum / max(self._count, 1))

    @property
    def shift(self) -> float:
        """Length of the mean, less what chance adds to it."""
        mean, chance = self.mean, self._test.dimension_count / max(self._count, 1)
        return math.sqrt(max(float(mean.dot(mean)) - chance, self._test.slack**2))

    def take(self, score: NDArray[np.float64]) -> float:
        """See `Channel`."""
        statistic = self._test.update(score)
        if statistic > self._rest_level:
            self._count += 1
            self._sum += score
        elif self._count:
            self._forget()
        return statistic

    def enter(self) -> float:
        """See `Channel`."""
        return self.shift

    def follow(self, score: NDArray[np.float64]) -> float:
        """See `Channel`."""
        self._test.reset()
        length = math.sqrt(self._sum.dot(self._sum))
        along = float(self._sum.dot(score)) / length if length > 0 else 0.0
        if self._count < _MEMORY_COUNT:
            self._count += 1
        else:
            self._sum *= 1.0 - 1.0 / _MEMORY_COUNT
        self._sum += score
        return along

    def reset(self) -> None:
        """See `Channel`."""
        self._test.reset()
        self._forget()

    def state(self) -> Json:
        """See `Channel`."""
        return {"test": self._test.state(), "count": self._count, "sum": self._sum.tolist()}

    def restore(self, state: Json) -> None:
        """See `Channel`."""
        count = int(read_numbers(state, ("count",), self.name)["count"])
        total = read_vector(state, "sum", self._test.dimension_count, self.name)
        self._test.restore(read_part(state, "test", self.name))
        self._count, self._sum = count, total

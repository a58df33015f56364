"""What a window of the stream says, summed up: enough to tell what moved, small enough to keep."""

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.mix import MixLaw
from tinylcm.core.drift.state import read_vector
from tinylcm.ports import Json

FloatArray = NDArray[np.float64]
RECENT_COUNT = 50
"""Memory of `RecentMix`, in observations."""


class DriftWindow:
    """Residuals summed by predicted class, or, not ``by_class``, all together, which takes less room.

    >>> window = DriftWindow(class_count=2, dimension_count=1)
    >>> window.take(0, np.array([1.0]))
    >>> window.take(1, np.array([3.0]))
    >>> window.count, window.mean
    (2, array([2.]))
    """

    __slots__ = ("_by_class", "_class_counts", "_only", "_sums", "count")

    def __init__(self, class_count: int, dimension_count: int, *, by_class: bool = True) -> None:
        self._by_class = by_class
        self._class_counts = np.zeros(class_count)
        self._sums = np.zeros((class_count if by_class else 1, dimension_count))
        self._only: tuple[int, FloatArray] | None = None
        self.count = 0

    @property
    def class_counts(self) -> FloatArray:
        """Observations of each predicted class, ``(C,)``."""
        self._add_up()
        return self._class_counts

    @property
    def sums(self) -> FloatArray:
        """Summed residuals, a row for each class or one for all."""
        self._add_up()
        return self._sums

    @property
    def mean(self) -> FloatArray:
        """Mean residual."""
        return np.asarray(self.sums.sum(axis=0) / max(self.count, 1))

    def take(self, class_index: int, residual: FloatArray) -> None:
        """Adds one observation."""
        if self._only is not None:
            self._add_up()
        self.count += 1
        self._add(class_index, residual)

    def begin(self, class_index: int, residual: FloatArray) -> None:
        """Starts over with one observation: nothing is added up until another follows, as seldom happens."""
        self.count = 1
        self._only = class_index, residual

    def clear(self) -> None:
        """Starts over."""
        self.count = 0
        self._only = None
        self._class_counts[:] = 0.0
        self._sums[:] = 0.0

    def _add_up(self) -> None:
        if self._only is not None:
            only, count = self._only, self.count
            self.clear()
            self.count = count
            self._add(*only)

    def _add(self, class_index: int, residual: FloatArray) -> None:
        self._class_counts[class_index] += 1.0
        self._sums[class_index if self._by_class else 0] += residual

    def state(self) -> Json:
        """Returns JSON values of a fixed size."""
        return {"class_counts": self.class_counts.tolist(), "sums": self.sums.ravel().tolist()}

    def restore(self, state: Json) -> None:
        """Takes up stored sums; StateError leaves the window as it was."""
        counts = read_vector(state, "class_counts", len(self.class_counts), "window")
        sums = read_vector(state, "sums", self.sums.size, "window")
        self.count, self._only = int(counts.sum()), None
        self._class_counts, self._sums = counts, sums.reshape(self._sums.shape)


class RecentMix:
    """Shares of the predicted classes, exponentially forgotten; starts at the reference's."""

    __slots__ = ("_law", "_rate", "_reference", "shares")

    def __init__(self, law: MixLaw) -> None:
        self._law = law
        self._reference = law.predicted
        self._rate = 1.0 / RECENT_COUNT
        self.clear()

    def clear(self) -> None:
        """Starts over at the reference's shares."""
        self.shares = self._reference.copy()

    def take(self, class_index: int) -> None:
        """Adds one prediction."""
        self.shares *= 1.0 - self._rate
        self.shares[class_index] += self._rate

    @property
    def distance(self) -> float:
        """Pearson's chi-square between the recent shares and the reference's, for as many samples as it remembers."""
        effective_count = 2.0 / self._rate - 1.0
        return float(effective_count * ((self.shares - self._reference) ** 2 / self._reference).sum())

    def state(self) -> Json:
        """Returns the shares."""
        return {"shares": self.shares.tolist()}

    def restore(self, state: Json) -> None:
        """Takes up stored shares; StateError leaves them as they were."""
        self.shares = read_vector(state, "shares", len(self._reference), "recent mix")

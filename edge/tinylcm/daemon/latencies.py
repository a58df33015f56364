"""The times of the last frames, stage by stage, in memory that never grows."""

from array import array

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.order import quantile
from tinylcm.pipeline.laps import STAGES

_CAPACITY = 4096
_PERCENTILES = (50, 95, 99)


class Latencies:
    """Filled by the inference thread, emptied by another one; a frame that meets the emptying may be left out."""

    def __init__(self) -> None:
        self._ring_s = array(
            "f", bytes(4 * _CAPACITY * len(STAGES))
        )  # numbers go in faster than into NumPy's
        self._count = 0
        self._last_mean_ms = 0.0

    def add(self, seconds: list[float]) -> None:
        """Takes the times of one frame, by `STAGES`; beyond 4,096 the oldest make room."""
        place = self._count % _CAPACITY * len(seconds)
        for value in seconds:
            self._ring_s[place] = value
            place += 1
        self._count += 1

    def mean_ms(self) -> float:
        """Returns the mean time of a whole frame since it was last emptied, or before that, if nothing came since."""
        times_s = self._times_s()
        return float(times_s.sum() * 1000 / len(times_s)) if len(times_s) else self._last_mean_ms

    def empty(self) -> dict[str, float]:
        """Returns percentiles in milliseconds, of whole frames and of each stage, and forgets the times."""
        self._last_mean_ms = self.mean_ms()
        times_ms = self._times_s() * 1000
        self._count = 0
        if not len(times_ms):
            return {}
        columns = {"": times_ms.sum(axis=1)}
        columns |= {f"{stage}.": times_ms[:, number] for number, stage in enumerate(STAGES)}
        return {
            f"latency_ms.{stage}p{percent}": quantile(column, percent / 100)
            for stage, column in columns.items()
            for percent in _PERCENTILES
        }

    def _times_s(self) -> NDArray[np.float32]:
        times_s = np.frombuffer(self._ring_s, np.float32).reshape(_CAPACITY, len(STAGES))
        return times_s[: min(self._count, _CAPACITY)]

"""Makes long columns short enough to draw, without losing what matters: a peak stays a peak."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinned:
    """Neighbouring frames as one entry each: smallest, mean and largest value, ``(m,)``, NaN where none is known.

    ``starts (m,)`` are the first frames of the entries.
    """

    starts: NDArray[np.intp]
    low: Column
    mean: Column
    high: Column


def thin(values: Column, entry_count: int) -> Thinned:
    """At most ``entry_count`` entries of equal width.

    >>> thinned = thin(np.array([1, 9, 2, 3], dtype=np.float32), 2)
    >>> thinned.high.tolist(), thinned.mean.tolist()
    ([9.0, 3.0], [5.0, 2.5])
    """
    width = max(1, -(-len(values) // entry_count))
    starts = np.arange(0, len(values), width)
    if not len(values):
        return Thinned(starts=starts, low=values, mean=values, high=values)
    known = np.isfinite(values)
    counts = np.add.reduceat(known.astype(np.float64), starts)
    sums = np.add.reduceat(np.where(known, values, 0.0).astype(np.float64), starts)
    low = np.minimum.reduceat(np.where(known, values, np.inf), starts)
    high = np.maximum.reduceat(np.where(known, values, -np.inf), starts)
    empty = counts == 0
    return Thinned(
        starts=starts,
        low=np.where(empty, np.nan, low).astype(np.float32),
        mean=np.where(empty, np.nan, sums / np.maximum(counts, 1)).astype(np.float32),
        high=np.where(empty, np.nan, high).astype(np.float32),
    )


def rolling_mean(values: Column, count: int) -> Column:
    """Mean of the last ``count`` known values up to each frame, ``(n,)``; NaN before the first.

    >>> rolling_mean(np.array([1, np.nan, 3, 8], dtype=np.float32), 2).tolist()
    [1.0, 1.0, 2.0, 5.5]
    """
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(values[known], dtype=np.float64)])
    newest = np.cumsum(known)
    oldest = np.maximum(newest - count, 0)
    taken = np.maximum(newest - oldest, 1)
    return np.where(newest == 0, np.nan, (sums[newest] - sums[oldest]) / taken).astype(np.float32)

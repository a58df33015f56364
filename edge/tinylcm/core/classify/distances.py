"""Three metrics, each for one pair in plain Python and for a few rows in NumPy."""

import math
from collections.abc import Callable, Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from tinylcm.records import FloatVector

FloatMatrix = NDArray[np.float32]


class Metric(Enum):
    """How far apart two points are. A vector of zeros has cosine distance 1 to everything."""

    EUCLIDEAN = "euclidean"
    MANHATTAN = "manhattan"
    COSINE = "cosine"


def manhattan(first: Sequence[float], second: Sequence[float]) -> float:
    """Returns the sum of absolute differences.

    >>> manhattan([0.0, 1.0], [2.0, -1.0])
    4.0
    """
    return math.fsum(abs(a - b) for a, b in zip(first, second, strict=True))


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """Returns one minus the cosine of the angle between two vectors.

    >>> cosine([1.0, 0.0], [0.0, 3.0])
    1.0
    """
    scale = math.hypot(*first) * math.hypot(*second)
    if not scale:
        return 1.0
    return max(0.0, 1.0 - math.fsum(a * b for a, b in zip(first, second, strict=True)) / scale)


PLAIN: dict[Metric, Callable[[Sequence[float], Sequence[float]], float]] = {
    Metric.EUCLIDEAN: math.dist,
    Metric.MANHATTAN: manhattan,
    Metric.COSINE: cosine,
}


def exact_distances(metric: Metric, rows: FloatMatrix, query: FloatVector) -> NDArray[np.floating]:
    """Returns the distances of ``rows (n, d)``, which are overwritten, to ``query (d,)``; ``(n,)``."""
    if metric is Metric.COSINE:
        return _cosine_rows(rows.astype(np.float64), query.astype(np.float64))
    rows -= query
    if metric is Metric.MANHATTAN:
        return np.asarray(np.abs(rows, out=rows).sum(axis=1, dtype=np.float64))
    rows *= rows
    return np.asarray(np.sqrt(rows.sum(axis=1)))


def _cosine_rows(rows: NDArray[np.float64], query: NDArray[np.float64]) -> NDArray[np.float64]:
    scales = np.sqrt((rows * rows).sum(axis=1)) * math.sqrt(float(query @ query))
    cosines = np.divide(rows @ query, scales, out=np.zeros_like(scales), where=scales > 0)
    return np.asarray(np.maximum(1.0 - cosines, 0.0))

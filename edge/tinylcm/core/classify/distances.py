"""Three metrics, each for one pair in plain Python and for a few rows in NumPy."""

import math
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial

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


def exact_distances(metric: Metric, rows: FloatMatrix, query: FloatVector) -> list[float]:
    """Returns the distances of a few ``rows (n, d)``, which are overwritten, to ``query (d,)``."""
    return _EXACT[metric](rows, query)


def _exact_euclidean(rows: FloatMatrix, query: FloatVector) -> list[float]:
    rows -= query
    lengths: list[float] = np.sqrt(_squares(rows, rows)).tolist()
    return lengths


def _exact_manhattan(rows: FloatMatrix, query: FloatVector) -> list[float]:
    rows -= query
    sums: list[float] = np.abs(rows, out=rows).sum(axis=1, dtype=np.float64).tolist()
    return sums


def _exact_cosine(rows: FloatMatrix, query: FloatVector) -> list[float]:
    values = query.tolist()
    return [cosine(row, values) for row in rows.tolist()]


_EXACT: dict[Metric, Callable[[FloatMatrix, FloatVector], list[float]]] = {
    Metric.EUCLIDEAN: _exact_euclidean,
    Metric.MANHATTAN: _exact_manhattan,
    Metric.COSINE: _exact_cosine,
}

_squares: Callable[[FloatMatrix, FloatMatrix], FloatMatrix] = getattr(
    np, "vecdot", partial(np.einsum, "ij,ij->i")
)
"""Squared lengths of rows given twice; NumPy 2's own way takes half the time of the other."""


def pairwise_distances(
    first: NDArray[np.floating], second: NDArray[np.floating], metric: Metric = Metric.EUCLIDEAN
) -> NDArray[np.float64]:
    """Returns the distances between rows ``(n, d)`` and rows ``(m, d)``, ``(n, m)``.

    >>> pairwise_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]])).tolist()
    [[5.0, 1.0]]
    """
    left, right = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if metric is Metric.MANHATTAN:
        rows = [np.abs(right - row).sum(axis=1) for row in left]
        return np.array(rows).reshape(len(left), len(right))
    if metric is Metric.COSINE:
        return np.asarray(np.maximum(1.0 - _unit_rows(left) @ _unit_rows(right).T, 0.0))
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _unit_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return np.asarray(rows / np.where(norms > 0, norms, 1.0))

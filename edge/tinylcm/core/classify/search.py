"""Find the rows nearest to a query: one way for speed, one in plain Python to check it against.

Both return every row that may belong to the nearest ones, ties at the border included, with its exact distance;
the caller orders them. Their distances agree within `AGREEMENT` (relative, plus as much absolute).
"""

import heapq
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.distances import PLAIN, FloatMatrix, Metric, exact_distances
from tinylcm.records import FloatVector

AGREEMENT = 1e-5
_ROUNDING = 2e-6
"""Bound of a float32 score's rounding error, relative to the size of the numbers it is made of."""

_FEW = 16
"""Up to this many neighbours are found by looking for the largest rank again and again."""

Candidates = tuple[list[int], list[float]]
"""Rows and their distances, in no particular order."""


class Search(Protocol):
    """Finds rows of a matrix that it shares with its owner, who reports every change."""

    def refresh(self, count: int) -> None:
        """Says that rows have changed; the first ``count`` are in use now."""

    def nearest(self, query: FloatVector, neighbour_count: int, excluded: Sequence[int]) -> Candidates:
        """Returns at least the ``neighbour_count`` nearest rows, as far as there are that many."""


class NumpySearch:
    """One matrix-vector product over all rows, the best few of it, and these once more exactly.

    Euclidean neighbours are ranked by ``x.q - |x|^2 / 2``, cosine ones by ``x.q / |x|``: both are one product with
    a matrix that is made once after a change, of one column per row because that is the faster layout; the halves
    are taken off afterwards, because a product with one row more takes longer. Nothing of its size is allocated
    per query. The ranking cancels digits, hence the exact second look.
    """

    def __init__(self, points: FloatMatrix, metric: Metric) -> None:
        capacity, dimension_count = points.shape
        self._points = points
        self._metric = metric
        self._rank = {
            Metric.EUCLIDEAN: self._rank_euclidean,
            Metric.COSINE: self._rank_cosine,
            Metric.MANHATTAN: self._rank_manhattan,
        }[metric]
        self._columns = np.empty(dimension_count * capacity, dtype=np.float32)
        self._ranks = np.empty(capacity, dtype=np.float32)
        self._stale = True
        self.refresh(0)

    def refresh(self, count: int) -> None:
        """Says that rows have changed; the first ``count`` are in use now."""
        self._count = count
        self._stale = True

    def nearest(self, query: FloatVector, neighbour_count: int, excluded: Sequence[int]) -> Candidates:
        """Returns at least the ``neighbour_count`` nearest rows, as far as there are that many."""
        if self._stale:
            self._rebuild()
        ranks = self._ranks_view
        rounding = self._rank(query, ranks)
        if excluded:
            ranks[excluded] = -np.inf
        count = min(neighbour_count, self._count - len(excluded))
        if count < 1:
            return [], []
        found = _best(ranks, count, rounding)
        return found, exact_distances(self._metric, self._points.take(found, axis=0), query)

    def _rebuild(self) -> None:
        """Slicing costs as much as a small product, so the views in use are made here."""
        rows, count = self._points[: self._count], self._count
        matrix = self._columns[: rows.shape[1] * count].reshape(rows.shape[1], count)
        squares = np.einsum("ij,ij->i", rows, rows)
        matrix[:] = rows.T
        if self._metric is Metric.COSINE:
            matrix /= np.sqrt(np.where(squares > 0, squares, 1))
        self._matrix, self._ranks_view = matrix, self._ranks[:count]
        self._half_squares = squares / 2
        self._largest_half_square = float(self._half_squares.max(initial=0.0))
        self._stale = False

    def _rank_euclidean(self, query: FloatVector, ranks: FloatVector) -> float:
        """Makes ranks that fall with the distance; returns how far rounding may have moved them."""
        query.dot(self._matrix, out=ranks)
        ranks -= self._half_squares
        return _ROUNDING * (self._largest_half_square + float(query.dot(query)) / 2)

    def _rank_cosine(self, query: FloatVector, ranks: FloatVector) -> float:
        query.dot(self._matrix, out=ranks)
        return _ROUNDING * math.sqrt(float(query.dot(query)))

    def _rank_manhattan(self, query: FloatVector, ranks: FloatVector) -> float:
        ranks[:] = 0
        for row, value in zip(self._matrix, query.tolist(), strict=True):
            ranks -= np.abs(row - np.float32(value))
        return -_ROUNDING * float(ranks.min(initial=0.0))


def _best(ranks: NDArray[np.float32], count: int, rounding: float) -> list[int]:
    """Indices of the ``count`` largest ranks and of all within ``rounding`` below them; uses ``ranks`` up."""
    if count > _FEW:
        border = float(np.partition(ranks, len(ranks) - count)[len(ranks) - count])
        return [int(index) for index in (ranks >= border - rounding).nonzero()[0]]
    # Looking for the largest a few times is several times faster than a partition.
    found: list[int] = []
    argmax, item, used = ranks.argmax, ranks.item, -math.inf
    lowest = used
    while True:
        index = int(argmax())
        rank = item(index)
        if rank == used or rank < lowest:
            return found
        found.append(index)
        ranks[index] = used
        if len(found) == count:
            lowest = rank - rounding


class PlainSearch:
    """The same answer from `math` and `heapq`, for checking and for reading."""

    def __init__(self, points: FloatMatrix, metric: Metric) -> None:
        self._points = points
        self._distance = PLAIN[metric]
        self._count = 0
        self._rows: list[list[float]] | None = None

    def refresh(self, count: int) -> None:
        """Says that rows have changed; the first ``count`` are in use now."""
        self._count = count
        self._rows = None

    def nearest(self, query: FloatVector, neighbour_count: int, excluded: Sequence[int]) -> Candidates:
        """Returns at least the ``neighbour_count`` nearest rows, as far as there are that many."""
        if self._rows is None:
            self._rows = self._points[: self._count].tolist()
        values, left_out = query.tolist(), set(excluded)
        distances = {
            row: self._distance(point, values) for row, point in enumerate(self._rows) if row not in left_out
        }
        if not distances:
            return [], []
        border = heapq.nsmallest(neighbour_count, distances.values())[-1]
        found = [row for row, distance in distances.items() if distance <= border]
        return found, [distances[row] for row in found]

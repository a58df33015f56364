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

Candidates = tuple[list[int], list[float]]
"""Rows and their distances, in no particular order."""


class Search(Protocol):
    """Finds rows of a matrix that it shares with its owner, who reports every change."""

    def refresh(self, rows: Sequence[int], count: int) -> None:
        """Reads ``rows`` again; the first ``count`` rows are in use."""

    def nearest(self, query: FloatVector, neighbour_count: int, excluded: Sequence[int]) -> Candidates:
        """Returns at least the ``neighbour_count`` nearest rows, as far as there are that many."""


class NumpySearch:
    """One matrix-vector product over all rows, a partition, and the winners once more exactly.

    Euclidean neighbours are ranked by ``|x|^2 / 2 - x.q``; the half norms are kept. Nothing of the size of the
    matrix is allocated per query. The subtraction cancels digits, hence the exact second look.
    """

    def __init__(self, points: FloatMatrix, metric: Metric) -> None:
        self._points = points
        self._metric = metric
        self._rows = np.zeros_like(points) if metric is Metric.COSINE else points
        self._half_norms = np.zeros(len(points), dtype=np.float32)
        self._scores = np.empty(len(points), dtype=np.float32)
        self._ordered = np.empty(len(points), dtype=np.float32)
        self._scratch = np.empty_like(points) if metric is Metric.MANHATTAN else None
        self._show(0)

    def refresh(self, rows: Sequence[int], count: int) -> None:
        """Reads ``rows`` again; the first ``count`` rows are in use."""
        for row in rows:
            point = self._points[row]
            square = float(point @ point)
            self._half_norms[row] = square / 2
            if self._metric is Metric.COSINE:
                self._rows[row] = point / math.sqrt(square) if square else 0.0
        self._show(count)

    def nearest(self, query: FloatVector, neighbour_count: int, excluded: Sequence[int]) -> Candidates:
        """Returns at least the ``neighbour_count`` nearest rows, as far as there are that many."""
        scores, rounding = self._score(query)
        if excluded:
            scores[list(excluded)] = np.inf
        count = min(neighbour_count, len(scores) - len(excluded))
        if count < 1:
            return [], []
        ordered = self._ordered_view
        ordered[:] = scores
        ordered.partition(count - 1)
        found = (scores <= ordered[count - 1] + rounding).nonzero()[0]
        return found.tolist(), exact_distances(self._metric, self._points.take(found, axis=0), query).tolist()

    def _show(self, count: int) -> None:
        """Slicing costs as much as a small product: the views of the rows in use are made once."""
        self._rows_view = self._rows[:count]
        self._half_norms_view = self._half_norms[:count]
        self._scores_view = self._scores[:count]
        self._ordered_view = self._ordered[:count]
        self._largest_half_norm = float(self._half_norms[:count].max(initial=0.0))

    def _score(self, query: FloatVector) -> tuple[NDArray[np.float32], float]:
        """Scores that rise with the distance, and how far rounding may have moved them."""
        scores = self._scores_view
        if self._scratch is not None:
            return self._score_manhattan(self._scratch[: len(scores)], query, scores)
        np.dot(self._rows_view, query, out=scores)
        square = float(query @ query)
        if self._metric is Metric.COSINE:
            return np.negative(scores, out=scores), _ROUNDING * math.sqrt(square)
        return np.subtract(self._half_norms_view, scores, out=scores), (
            _ROUNDING * (self._largest_half_norm + square / 2)
        )

    def _score_manhattan(
        self, scratch: FloatMatrix, query: FloatVector, scores: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float]:
        np.abs(np.subtract(self._rows_view, query, out=scratch), out=scratch).sum(axis=1, out=scores)
        return scores, _ROUNDING * float(scores.max(initial=0.0))


class PlainSearch:
    """The same answer from `math` and `heapq`, for checking and for reading."""

    def __init__(self, points: FloatMatrix, metric: Metric) -> None:
        self._points = points
        self._distance = PLAIN[metric]
        self._rows: list[list[float]] = []

    def refresh(self, rows: Sequence[int], count: int) -> None:
        """Reads ``rows`` again; the first ``count`` rows are in use."""
        del self._rows[count:]
        self._rows.extend([] for _ in range(count - len(self._rows)))
        for row in rows:
            if row < count:
                self._rows[row] = self._points[row].tolist()

    def nearest(self, query: FloatVector, neighbour_count: int, excluded: Sequence[int]) -> Candidates:
        """Returns at least the ``neighbour_count`` nearest rows, as far as there are that many."""
        values, left_out = query.tolist(), set(excluded)
        distances = {
            row: self._distance(point, values) for row, point in enumerate(self._rows) if row not in left_out
        }
        if not distances:
            return [], []
        border = heapq.nsmallest(neighbour_count, distances.values())[-1]
        found = [row for row, distance in distances.items() if distance <= border]
        return found, [distances[row] for row in found]

"""Choose the few samples that stand for many: what a person should see first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.distances import pairwise_distances


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cover:
    """A choice of representatives.

    Attributes:
        medoids: Rows chosen, most telling first, ``(k,) intp``.
        groups: For every row the position in `medoids` of its nearest representative, ``(n,) intp``.
    """

    medoids: NDArray[np.intp]
    groups: NDArray[np.intp]


def choose_representatives(points: NDArray[np.floating], count: int) -> Cover:
    """Chooses at most ``count`` rows of ``points (n, d)`` so that the mean distance to the nearest one is small.

    Greedy facility location: each step takes the row that brings all rows nearest to the chosen ones, which reaches
    at least 63 % of the best possible gain (Nemhauser, Wolsey and Fisher 1978). Deterministic, and any prefix is a
    good choice too: a person who stops early has seen the largest groups.

    >>> cover = choose_representatives(np.array([[0.0], [1.0], [2.0], [9.0]]), 2)
    >>> cover.medoids.tolist(), cover.groups.tolist()
    ([1, 3], [0, 0, 0, 1])
    """
    distances = pairwise_distances(points, points)
    nearest = np.full(len(distances), 2 * distances.max(initial=1.0))
    medoids: list[int] = []
    for _ in range(min(count, len(distances))):
        gains = np.maximum(nearest[:, None] - distances, 0.0).sum(axis=0)
        gains[medoids] = -1.0
        medoids.append(int(gains.argmax()))
        nearest = np.minimum(nearest, distances[:, medoids[-1]])
    chosen = np.array(medoids, dtype=np.intp)
    groups = distances[:, chosen].argmin(axis=1) if medoids else np.empty(len(distances), dtype=np.intp)
    return Cover(medoids=chosen, groups=groups.astype(np.intp))

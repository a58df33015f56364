"""Groups of alike samples, and how tight and how far apart they are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.distances import pairwise_distances

_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One group.

    Attributes:
        medoid: Row that stands for it.
        members: Its rows, the medoid among them, ascending.
        cohesion: Mean distance between its members; 0 when it has one.
        separation: Mean distance of its members to those of the nearest other group; infinite without another.
    """

    medoid: int
    members: tuple[int, ...]
    cohesion: float
    separation: float

    @property
    def silhouette(self) -> float:
        """Rousseeuw's silhouette of the group's means, -1 to 1; 0 for a single member."""
        if len(self.members) < 2:
            return 0.0
        largest = max(self.cohesion, self.separation)
        if not largest:
            return 0.0
        return 1.0 if largest == np.inf else (self.separation - self.cohesion) / largest


def find_clusters(points: NDArray[np.floating], most: int, *, tightness: float = 0.25) -> tuple[Cluster, ...]:
    """Groups ``points (n, d)`` into 1 to ``most`` clusters by k-medoids; largest first.

    The number of clusters is the one whose silhouette, averaged over the samples, is largest (Rousseeuw 1987); one
    cluster when none reaches ``tightness``. Deterministic: medoids start as far from each other as possible.

    >>> [cluster.members for cluster in find_clusters(np.array([[0.0], [9.0], [0.1], [9.2], [0.2]]), 3)]
    [(0, 2, 4), (1, 3)]
    """
    distances = pairwise_distances(points, points)
    best, best_score = _describe(distances, _medoids(distances, min(1, len(distances)))), tightness
    for count in range(2, min(most, len(distances) - 1) + 1):
        clusters = _describe(distances, _medoids(distances, count))
        score = sum(cluster.silhouette * len(cluster.members) for cluster in clusters) / len(distances)
        if score > best_score:
            best, best_score = clusters, score
    return best


def _medoids(distances: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Alternates between assigning rows and moving medoids, from a farthest-first start (Park and Jun 2009)."""
    if not count:
        return np.empty(0, dtype=np.intp)
    chosen = [int(distances.sum(axis=1).argmin())]
    while len(chosen) < count:
        chosen.append(int(distances[:, chosen].min(axis=1).argmax()))
    medoids = np.array(chosen, dtype=np.intp)
    for _ in range(_ROUNDS):
        groups = distances[:, medoids].argmin(axis=1)
        moved = np.array([_centre(distances, np.flatnonzero(groups == group)) for group in range(count)])
        if np.array_equal(moved, medoids):
            break
        medoids = moved
    return medoids


def _centre(distances: NDArray[np.float64], members: NDArray[np.intp]) -> int:
    return int(members[distances[np.ix_(members, members)].sum(axis=1).argmin()])


def _describe(distances: NDArray[np.float64], medoids: NDArray[np.intp]) -> tuple[Cluster, ...]:
    if not len(medoids):
        return ()
    groups = distances[:, medoids].argmin(axis=1)
    members = [np.flatnonzero(groups == group) for group in range(len(medoids))]
    clusters = [
        _cluster(distances, int(medoid), own, members) for medoid, own in zip(medoids, members, strict=True)
    ]
    return tuple(sorted(clusters, key=lambda cluster: (-len(cluster.members), cluster.members)))


def _cluster(
    distances: NDArray[np.float64], medoid: int, own: NDArray[np.intp], members: list[NDArray[np.intp]]
) -> Cluster:
    pairs = len(own) * (len(own) - 1)
    others = [float(distances[np.ix_(own, other)].mean()) for other in members if other[0] != own[0]]
    return Cluster(
        medoid=medoid,
        members=tuple(own.tolist()),
        cohesion=float(distances[np.ix_(own, own)].sum()) / pairs if pairs else 0.0,
        separation=min(others, default=float("inf")),
    )

"""Let a person's label speak for the unlabelled samples right beside it."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.distances import Metric, pairwise_distances


class Propagated(NamedTuple):
    """An unlabelled row, the labelled row it takes its label from, and that label."""

    row: int
    source: int
    label: str


def propagate(
    unlabelled: NDArray[np.floating],
    labelled: NDArray[np.floating],
    labels: Sequence[str],
    reference: NDArray[np.floating],
    *,
    eligible: Collection[str],
    metric: Metric = Metric.EUCLIDEAN,
) -> list[Propagated]:
    """Gives a row of ``unlabelled (m, d)`` the label of its nearest labelled row, where that is safe.

    Safe means: the labelled row is nearer than every row of ``reference (n, d)``, and its label is among ``eligible``,
    meant for classes that the reference does not hold. Under a shift of all classes nearly every sample is nearer to
    a labelled one than to the reference, whatever its class, so labels of known classes must not spread this way.

    >>> points = np.array([[1.0], [4.0]])
    >>> propagate(points, np.array([[0.0]]), ["bag"], np.array([[5.0]]), eligible={"bag"})
    [Propagated(row=0, source=0, label='bag')]
    """
    if not (len(unlabelled) and len(labelled)):
        return []
    distances = pairwise_distances(unlabelled, labelled, metric)
    sources = distances.argmin(axis=1)
    near = distances.min(axis=1) < pairwise_distances(unlabelled, reference, metric).min(
        axis=1, initial=np.inf
    )
    return [
        Propagated(row, int(source), labels[source])
        for row, source in enumerate(sources)
        if near[row] and labels[source] in eligible
    ]

"""What a group of quarantined samples may be, said before any person has looked: a proposal, never a label.

A novel group must not be taken for a known class, so it is only called a variant of one when it is a group (tight, and
apart from the others), its members agree on the class, *and* they lie as near to the reference as that class's own do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.adapt.clusters import Cluster, find_clusters
from tinylcm.core.order import quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A group and its name.

    Attributes:
        cluster: The group.
        known_label: The class it may be a variant of; empty for an unknown class.
        name: For people: "variant of coat", "unknown class #1".
        agreement: Share of its members predicted as the commonest class among them.
    """

    cluster: Cluster
    known_label: str
    name: str
    agreement: float


def propose_labels(
    points: NDArray[np.floating],
    predicted: Sequence[str],
    distance_scores: Sequence[float],
    *,
    most_clusters: int = 8,
    least_agreement: float = 0.95,
    most_distance: float = 0.5,
    least_silhouette: float = 0.15,
) -> tuple[Proposal, ...]:
    """Groups ``points (n, d)`` and proposes what each group may be; largest first.

    Args:
        points: Quarantined samples.
        predicted: What the classifier called them, ``(n,)``.
        distance_scores: Their mean neighbour distances in standard deviations of the predicted class, ``(n,)``.
        most_clusters: Bound of the number of groups.
        least_agreement: Share of one class from which a group may be a variant of it.
        most_distance: Median distance score up to which a group may be a variant of a known class.
        least_silhouette: Silhouette from which a group, one of several, is one; see `Cluster`.
    """
    proposals: list[Proposal] = []
    unknown_count = 0
    for cluster in find_clusters(points, most_clusters):
        label, count = Counter(predicted[row] for row in cluster.members).most_common(1)[0]
        agreement = count / len(cluster.members)
        distance = quantile([distance_scores[row] for row in cluster.members], 0.5)
        is_group = least_silhouette <= cluster.silhouette < 1.0
        known = label if is_group and agreement >= least_agreement and distance <= most_distance else ""
        unknown_count += not known
        name = f"variant of {known}" if known else f"unknown class #{unknown_count}"
        proposals.append(Proposal(cluster=cluster, known_label=known, name=name, agreement=agreement))
    return tuple(proposals)


def group_of(proposals: Sequence[Proposal]) -> Mapping[int, Proposal]:
    """Returns the proposal of every row."""
    return {row: proposal for proposal in proposals for row in proposal.cluster.members}

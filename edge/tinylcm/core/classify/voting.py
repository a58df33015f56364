"""Who wins among a few neighbours, and how surely."""

from collections.abc import Sequence
from enum import Enum

from tinylcm.core.classify.samples import StoredSample

_EPSILON = 1e-12
"""Keeps the vote of a neighbour at distance 0 finite."""

Ranked = tuple[float, StoredSample]
"""A neighbour's distance, and the neighbour."""


class Weighting(Enum):
    """What a neighbour's vote weighs: its own weight, or that divided by its squared distance."""

    COUNT = "count"
    INVERSE_SQUARE = "inverse_square"


def vote(neighbours: Sequence[Ranked], weighting: Weighting) -> tuple[str, float]:
    """Returns the winning label and its share of the vote.

    Equal votes go to the label with more neighbours, then to the one whose oldest neighbour was stored first.

    >>> bag, coat = StoredSample(7, "bag", "a", 1.0, True), StoredSample(1, "coat", "b", 1.0, True)
    >>> vote([(1.0, bag), (2.0, coat)], Weighting.INVERSE_SQUARE)[0]
    'bag'
    >>> vote([(1.0, bag), (2.0, coat)], Weighting.COUNT)
    ('coat', 0.5)
    """
    first = neighbours[0][1].label
    for _, sample in neighbours:
        if sample.label != first:
            break
    else:
        return first, 1.0
    by_distance = weighting is Weighting.INVERSE_SQUARE
    votes: dict[str, float] = {}
    for distance, sample in neighbours:
        share = sample.weight / (distance * distance + _EPSILON) if by_distance else sample.weight
        votes[sample.label] = votes.get(sample.label, 0.0) + share
    most = max(votes.values())
    leaders = [label for label, value in votes.items() if value == most]
    leader = leaders[0] if len(leaders) == 1 else _senior(leaders, neighbours)
    return leader, most / sum(votes.values())


def _senior(leaders: Sequence[str], neighbours: Sequence[Ranked]) -> str:
    ages = {
        leader: [sample.sequence for _, sample in neighbours if sample.label == leader] for leader in leaders
    }
    return max(leaders, key=lambda leader: (len(ages[leader]), -min(ages[leader])))

"""Who wins among a few neighbours, and how surely."""

from collections.abc import Sequence
from enum import Enum

_EPSILON = 1e-12
"""Keeps the vote of a neighbour at distance 0 finite."""


class Weighting(Enum):
    """What a neighbour's vote weighs: its own weight, or that divided by its squared distance."""

    COUNT = "count"
    INVERSE_SQUARE = "inverse_square"


def vote(
    labels: Sequence[str],
    distances: Sequence[float],
    weights: Sequence[float],
    sequences: Sequence[int],
    weighting: Weighting,
) -> tuple[str, float]:
    """Returns the winning label and its share of the vote.

    Equal votes go to the label with more neighbours, then to the one whose oldest neighbour was stored first.

    >>> vote(["bag", "coat", "coat"], [1.0, 2.0, 2.0], [1.0] * 3, [7, 1, 2], Weighting.INVERSE_SQUARE)[0]
    'bag'
    >>> vote(["bag", "coat"], [1.0, 2.0], [1.0, 1.0], [7, 1], Weighting.COUNT)
    ('coat', 0.5)
    """
    first = labels[0]
    if all(label == first for label in labels):
        return first, 1.0
    votes = dict.fromkeys(labels, 0.0)
    for label, distance, weight in zip(labels, distances, weights, strict=True):
        by_distance = weighting is Weighting.INVERSE_SQUARE
        votes[label] += weight / (distance * distance + _EPSILON) if by_distance else weight
    winner = max(votes, key=lambda label: (votes[label], *_seniority(label, labels, sequences)))
    return winner, votes[winner] / sum(votes.values())


def _seniority(label: str, labels: Sequence[str], sequences: Sequence[int]) -> tuple[int, int]:
    own = [sequence for name, sequence in zip(labels, sequences, strict=True) if name == label]
    return len(own), -min(own)

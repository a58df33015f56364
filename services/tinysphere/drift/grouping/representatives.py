"""Which samples show a group: the one nearest to its centre, then those that cover the rest. Pure NumPy."""

from collections.abc import Sequence

import numpy as np

from tinysphere.drift.grouping.features import Vectors

MOST_REPRESENTATIVES = 9


def representatives(candidates: Vectors, centre: Vectors, most: int = MOST_REPRESENTATIVES) -> Sequence[int]:
    """Rows of the samples to show, the one nearest to the centre first.

    Each that follows is the candidate least like those chosen before it: a farthest-first traversal (Gonzalez 1985),
    which shows what does not belong to a group sooner than a random choice.

    Args:
        candidates: Features of samples, ``(n, f) float32``; equal rows are shown once where others are left.
        centre: Features of the group's centre, ``(f,) float32``.
        most: Rows wanted at most.
    """
    if not len(candidates):
        return []
    chosen = [int((candidates @ centre).argmax())]
    nearest = candidates @ candidates[chosen[0]]
    nearest[chosen[0]] = np.inf
    while len(chosen) < min(most, len(candidates)):
        row = int(nearest.argmin())
        chosen.append(row)
        nearest = np.maximum(nearest, candidates @ candidates[row])
        nearest[row] = np.inf
    return chosen

"""Which drift events show the same shift: their samples lie in the same groups of look-alikes. Pure NumPy."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

LEAST_OVERLAP = 0.5
"""Cosine of two events' samples by group from which they show the same shift. Devices with the same corruption had 0.61
to 0.98, with different ones 0.00 to 0.86 and nine in ten at most 0.60 (ADR 21)."""


def alike(groups: Sequence[Mapping[str, int]]) -> NDArray[np.bool_]:
    """Whether each pair of events shows the same shift, ``(n, n)``.

    Args:
        groups: Samples by group, of each event; an event whose samples did not come yet is like any other.

    >>> alike([{"a": 2, "b": 1}, {"a": 9}, {"b": 5}]).tolist()
    [[True, True, False], [True, True, False], [False, False, True]]
    """
    members: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for row, counts in enumerate(groups):
        for group_id, count in counts.items():
            members[group_id].append((row, count))
    products = np.zeros((len(groups), len(groups)), dtype=np.float32)
    for entries in members.values():  # not one matrix of all groups: there are far more of them than events
        rows, counts = np.array(entries, dtype=np.intp).T
        products[np.ix_(rows, rows)] += np.outer(counts, counts).astype(np.float32)
    lengths = np.sqrt(products.diagonal())
    same = products >= LEAST_OVERLAP * np.outer(lengths, lengths)
    unknown = lengths == 0
    return np.asarray(same | unknown | unknown[:, None])

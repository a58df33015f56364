"""Which stored sample leaves when a full store takes a new one.

Condensing in the sense of Hart (1968), "The condensed nearest neighbor rule": a sample that lies next to another of
its own class decides least.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tinylcm.core.classify.distances import FloatMatrix, pairwise_distances
from tinylcm.core.classify.samples import StoredSample


def choose_leaver(
    points: FloatMatrix, samples: Sequence[StoredSample], new_label: str, new_trusted: bool
) -> int | None:
    """Returns the row that makes room for a new sample, or None when the new sample must stay outside.

    Untrusted samples leave first, and trusted ones only for a trusted one. The largest class gives, so that no
    class starves; within it the sample nearest to another of its class, the older of the two.
    """
    counts = Counter(sample.label for sample in samples)
    counts[new_label] += 1
    rows = [row for row, sample in enumerate(samples) if not sample.trusted]
    giver = _giver(rows, samples, counts, new_label)
    if giver is None and new_trusted:
        rows = list(range(len(samples)))
        giver = _giver(rows, samples, counts, new_label)
    if giver is None:
        return None
    candidates = [row for row in rows if samples[row].label == giver]
    members = [row for row, sample in enumerate(samples) if sample.label == giver]
    gaps = _gaps_within(points, candidates, members)
    return min(zip(gaps, candidates, strict=True), key=lambda pair: (pair[0], samples[pair[1]].sequence))[1]


def _giver(
    rows: Sequence[int], samples: Sequence[StoredSample], counts: Counter[str], new_label: str
) -> str | None:
    """Returns the largest class among ``rows`` that is not smaller than the class that would grow."""
    present = sorted({samples[row].label for row in rows})
    largest = max(present, key=lambda label: counts[label], default=None)
    if largest is None or counts[largest] < counts[new_label]:
        return None
    return largest


def _gaps_within(points: FloatMatrix, candidates: Sequence[int], members: Sequence[int]) -> list[float]:
    """Distance of every candidate to the nearest other member of its class; infinite when it is alone."""
    gaps = pairwise_distances(points[list(candidates)], points[list(members)])
    gaps[np.asarray(candidates)[:, None] == np.asarray(members)] = np.inf
    nearest: list[float] = gaps.min(axis=1).tolist()
    return nearest

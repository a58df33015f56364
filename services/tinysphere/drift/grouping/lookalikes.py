"""Puts samples into groups one by one: into the nearest group, or a new one. Pure NumPy, deterministic.

Leader clustering (Hartigan 1975, "Clustering Algorithms", chapter 3) with centres that follow their samples. What it
needs of a group is the sum of its vectors, so that the mean of the feature space may move with what arrives.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinysphere.domain.drift import Sample
from tinysphere.domain.sample_groups import GroupCentre, GroupingStep, GroupSpace, Joining
from tinysphere.drift.grouping.features import (
    Mean,
    Vectors,
    cosines,
    embedding_matrix,
    features,
    label_shares,
    share_matrix,
)

THRESHOLD = 0.8
"""Similarity to the nearest group below which a sample founds one (ADR 20)."""
MOST_GROUPS = 4_096
MOST_BYTES = 32 * 1024 * 1024
"""Of the vectors kept of one feature space: wide ones leave room for fewer groups."""
MOST_LABELS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What placing samples led to.

    Attributes:
        step: To be stored.
        members: Rows of the samples placed, by group id, in the order they were taken.
    """

    step: GroupingStep
    members: Mapping[str, Sequence[int]]


class Lookalikes:
    """The groups of one feature space that still grow: the `MOST_GROUPS` that a sample joined last.

    Older groups stay as they are; what looks like them founds a new group.

    Args:
        space: What vectors are compared by.
        centres: Of the groups, in any order.
        group_id_of: Makes the id of a group from that of the sample that founds it.
        threshold: See `THRESHOLD`.
    """

    def __init__(
        self,
        space: GroupSpace,
        centres: Sequence[GroupCentre],
        *,
        group_id_of: Callable[[str], str],
        threshold: float = THRESHOLD,
    ) -> None:
        self._feature_space = space.feature_space
        self._sample_count = space.sample_count
        self._embedding_sum: Mean = np.frombuffer(space.embedding_sum, dtype="<f8").copy()
        self._columns = {label: column for column, label in enumerate(space.labels)}
        self._group_id_of = group_id_of
        self._threshold = threshold
        self._capacity = most_groups(len(self._embedding_sum))
        ordered = sorted(centres, key=lambda centre: (centre.join_ordinal, centre.group_id))
        self._ids = [centre.group_id for centre in ordered]
        self._counts = [centre.sample_count for centre in ordered]
        self._joined = [centre.join_ordinal for centre in ordered]
        sums = b"".join(centre.embedding_sum for centre in ordered)
        self._sums: Vectors = np.frombuffer(sums, dtype="<f4").reshape(-1, len(self._embedding_sum)).copy()
        self._shares = share_matrix([centre.neighbour_labels for centre in ordered], self._columns)

    def features(self, samples: Sequence[Sample]) -> Vectors:
        """What samples are compared by at this moment, ``(n, f) float32``."""
        shares = share_matrix([label_shares(sample.neighbours) for sample in samples], self._columns)
        return features(embedding_matrix(samples), shares, self._mean)

    def centre_features(self, centre: GroupCentre) -> Vectors:
        """The same of a group's centre, ``(f,) float32``."""
        total: Vectors = np.frombuffer(centre.embedding_sum, dtype="<f4").reshape(1, -1)
        shares = share_matrix([centre.neighbour_labels], self._columns)
        both: Vectors = features(total / np.float32(centre.sample_count), shares, self._mean)[0]
        return both

    @property
    def _mean(self) -> Mean:
        return self._embedding_sum / max(self._sample_count, 1)

    def place(self, samples: Sequence[Sample]) -> Placed:
        """Takes samples in order; they count for the mean of the space before the first is placed."""
        before = self._sample_count
        embeddings = embedding_matrix(samples)
        shares = self._read_shares(samples)
        self._embedding_sum += embeddings.sum(axis=0, dtype=np.float64)
        self._sample_count += len(samples)
        self._make_room()
        known = len(self._ids)
        joinings, rows = self._join(samples, embeddings, shares)
        step = GroupingStep(
            space=GroupSpace(
                feature_space=self._feature_space,
                sample_count=self._sample_count,
                embedding_sum=self._embedding_sum.astype("<f8").tobytes(),
                labels=tuple(self._columns),
            ),
            previous_sample_count=before,
            joinings=tuple(joinings),
            centres=tuple(self._centre(row) for row in rows),
            founded=frozenset(self._ids[known:]),
        )
        return Placed(step=step, members={self._ids[row]: members for row, members in rows.items()})

    def _join(
        self, samples: Sequence[Sample], embeddings: Vectors, shares: Vectors
    ) -> tuple[list[Joining], dict[int, list[int]]]:
        """Places every sample; returns how, and the rows of samples by row of their group."""
        count, known = len(samples), len(self._ids)
        mean = self._mean
        wanted = features(embeddings, shares, mean)
        self._grow(count)
        centres = np.zeros((known + count, wanted.shape[1]), dtype=np.float32)
        centres[:known] = features(self._means(known), self._shares[:known], mean)
        scores = np.full((count, known + count), -np.inf, dtype=np.float32)
        scores[:, :known] = wanted @ centres[:known].T
        joinings: list[Joining] = []
        rows: dict[int, list[int]] = {}
        for index, sample in enumerate(samples):
            row = int(scores[index].argmax())
            similarity = 1.0
            if scores[index, row] >= self._threshold:
                similarity = float(cosines(wanted[index], centres[row], len(mean)))
            else:
                row = self._found(sample.sample_id)
            self._add(row, embeddings[index], shares[index])
            centres[row] = features(self._means(row + 1, row), self._shares[row : row + 1], mean)[0]
            scores[index + 1 :, row] = wanted[index + 1 :] @ centres[row]
            rows.setdefault(row, []).append(index)
            joinings.append(
                Joining(sample_id=sample.sample_id, group_id=self._ids[row], similarity=similarity)
            )
        self._shrink()
        return joinings, rows

    def _read_shares(self, samples: Sequence[Sample]) -> Vectors:
        entries = [label_shares(sample.neighbours) for sample in samples]
        for label in (label for entry in entries for label in entry):
            if len(self._columns) < MOST_LABELS:
                self._columns.setdefault(label, len(self._columns))
        missing = len(self._columns) - self._shares.shape[1]
        self._shares = np.pad(self._shares, ((0, 0), (0, missing)))
        return share_matrix(entries, self._columns)

    def _found(self, sample_id: str) -> int:
        self._ids.append(self._group_id_of(sample_id))
        self._counts.append(0)
        self._joined.append(0)
        return len(self._ids) - 1

    def _add(self, row: int, embedding: Vectors, shares: Vectors) -> None:
        self._sums[row] += embedding
        self._shares[row] += shares
        self._counts[row] += 1
        self._joined[row] = self._sample_count

    def _means(self, stop: int, start: int = 0) -> Vectors:
        counts = np.array(self._counts[start:stop], dtype=np.float32)
        return np.asarray(self._sums[start:stop] / counts[:, None])

    def _centre(self, row: int) -> GroupCentre:
        shares = self._shares[row].tolist()
        return GroupCentre(
            group_id=self._ids[row],
            sample_count=self._counts[row],
            embedding_sum=self._sums[row].astype("<f4").tobytes(),
            neighbour_labels={
                label: shares[column] for label, column in self._columns.items() if shares[column]
            },
            join_ordinal=self._joined[row],
        )

    def _make_room(self) -> None:
        """Leaves out the groups that no sample joined for longest, as if they were read from the store anew."""
        if len(self._ids) <= self._capacity:
            return
        order = sorted(range(len(self._ids)), key=lambda row: (self._joined[row], self._ids[row]))
        rows = sorted(order[-self._capacity :])
        self._ids = [self._ids[row] for row in rows]
        self._counts = [self._counts[row] for row in rows]
        self._joined = [self._joined[row] for row in rows]
        self._sums, self._shares = self._sums[rows], self._shares[rows]

    def _grow(self, count: int) -> None:
        self._sums = np.pad(self._sums, ((0, count), (0, 0)))
        self._shares = np.pad(self._shares, ((0, count), (0, 0)))

    def _shrink(self) -> None:
        self._sums = self._sums[: len(self._ids)].copy()
        self._shares = self._shares[: len(self._ids)].copy()


def most_groups(dimension_count: int) -> int:
    """Groups of a feature space that are kept in memory."""
    return max(min(MOST_GROUPS, MOST_BYTES // (4 * dimension_count)), 1)

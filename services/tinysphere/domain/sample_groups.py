"""Samples that look alike: the group as people see it, and what one verdict on it led to."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleGroup:
    """Samples of one feature space, from any number of devices.

    Attributes:
        revision: Grows with every change of the samples or their states.
        device_ids: Those with most samples first; not all of them when they are many.
        squared_gap_sum: Of one minus the similarity of every sample when it joined.
        neighbour_labels: Sum of the shares that each known class has among the samples' neighbours.
        predicted_labels: Samples by the label that the model gave.
        judged_labels: Samples by the label that they were judged to have.
        representative_sample_ids: The one nearest to the centre first, then those that cover the rest.
        update_time: When the newest sample joined.
    """

    group_id: str
    feature_space: str
    revision: int
    sample_count: int
    open_sample_count: int
    device_count: int
    device_ids: tuple[str, ...]
    squared_gap_sum: float
    neighbour_labels: Mapping[str, float]
    predicted_labels: Mapping[str, int]
    judged_labels: Mapping[str, int]
    representative_sample_ids: tuple[str, ...]
    create_time: datetime
    update_time: datetime

    @property
    def spread(self) -> float:
        """Root mean square of one minus the similarity of a sample when it joined; 0 for equal samples."""
        return math.sqrt(self.squared_gap_sum / self.sample_count)

    @property
    def label_similarities(self) -> Mapping[str, float]:
        """Share of the samples' neighbours that carry each known class."""
        return {label: total / self.sample_count for label, total in self.neighbour_labels.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutcome:
    """What one verdict on a group led to."""

    verdict_count: int = 0
    judged_sample_count: int = 0
    device_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelBudget:
    """How many verdicts the open samples of one event still need."""

    open_sample_count: int
    open_group_count: int
    main_group_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpace:
    """What the vectors of one feature space are compared by.

    Attributes:
        sample_count: Samples grouped so far.
        embedding_sum: Of all these at unit length, ``dimension_count`` float64 values, little-endian.
        labels: Known classes among their neighbours, in the order they were first seen.
    """

    feature_space: str
    sample_count: int
    embedding_sum: bytes
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCentre:
    """Where a group stands.

    Attributes:
        embedding_sum: Of its samples at unit length, ``dimension_count`` float32 values, little-endian.
        neighbour_labels: Sum of the shares that each known class has among the samples' neighbours.
        join_ordinal: Samples that the feature space had when the newest one joined.
    """

    group_id: str
    sample_count: int
    embedding_sum: bytes
    neighbour_labels: Mapping[str, float]
    join_ordinal: int
    representative_sample_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """One sample that joins a group; ``similarity`` is the cosine to the centre it found."""

    sample_id: str
    group_id: str
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupingStep:
    """What grouping some samples of one feature space changes; stored as a whole or not at all.

    Attributes:
        space: As it stands afterwards.
        previous_sample_count: Of the space before: another grouper's step in between makes this one void.
        joinings: In the order the samples were taken.
        centres: Of every group concerned, as they stand afterwards.
        founded: Ids of the groups that are new.
    """

    space: GroupSpace
    previous_sample_count: int
    joinings: tuple[Joining, ...]
    centres: tuple[GroupCentre, ...]
    founded: frozenset[str] = field(default_factory=frozenset)

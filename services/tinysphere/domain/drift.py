"""Drift events, their samples and what people say of them: frozen facts, enums named as in `tinymlops.v1`.

An enum that the contract calls UNSPECIFIED is None here. Datetimes are aware UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from tinysphere.domain.devices import ModelReference


class DriftType(Enum):
    """What a detector watches."""

    KNN_DISTANCE = "KNN_DISTANCE"
    CONFIDENCE = "CONFIDENCE"
    CLASS_DISTRIBUTION = "CLASS_DISTRIBUTION"
    FEATURE_RESIDUAL = "FEATURE_RESIDUAL"
    COMBINED = "COMBINED"


class Severity(Enum):
    """How large a drift is."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class DriftCause(Enum):
    """What a drift looks like to the device that found it."""

    NOVELTY = "NOVELTY"
    COVARIATE_SHIFT = "COVARIATE_SHIFT"
    PRIOR_SHIFT = "PRIOR_SHIFT"


class DriftScope(Enum):
    """How far a drift reaches in the fleet."""

    LOCAL = "LOCAL"
    SYSTEMIC = "SYSTEMIC"


class DriftEventState(Enum):
    """Where a drift event stands in its review."""

    OPEN = "OPEN"
    IN_REVIEW = "IN_REVIEW"
    RESOLVED = "RESOLVED"


class SampleState(Enum):
    """Where a sample stands in its review."""

    OPEN = "OPEN"
    JUDGED = "JUDGED"


class ImageFormat(Enum):
    """Encoding of a sample's picture."""

    JPEG = "JPEG"
    PNG = "PNG"


class Decision(Enum):
    """What a reviewer says of a sample."""

    CONFIRMED_LABEL = "CONFIRMED_LABEL"
    NEW_LABEL = "NEW_LABEL"
    NOT_DRIFT = "NOT_DRIFT"
    UNUSABLE = "UNUSABLE"
    CANNOT_TELL = "CANNOT_TELL"
    WITHDRAWN = "WITHDRAWN"

    @property
    def judges(self) -> bool:
        """Whether it says what the sample is, or that nobody can; the others never become a judgement."""
        return self not in (Decision.CANNOT_TELL, Decision.WITHDRAWN)

    @property
    def names_label(self) -> bool:
        """Whether the reviewer has to say which class it is."""
        return self in (Decision.CONFIRMED_LABEL, Decision.NEW_LABEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A vector in the extractor's output space.

    Attributes:
        values: ``dimension_count`` finite float32 values, little-endian.
        feature_space: SHA-256 of the extractor; only vectors of one space may be compared.
    """

    values: bytes
    dimension_count: int
    feature_space: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """One stored sample near another; ``distance`` in the classifier's space."""

    sample_id: str
    label: str
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """A picture in the blob store, under its digest."""

    format: ImageFormat
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the verdicts on one sample amount to; ``label`` is empty for UNUSABLE."""

    decision: Decision
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One classified input kept as evidence; it is JUDGED once it has a judgement.

    Attributes:
        drift_event_id: Empty for a single far sample outside any drift.
        source_index: Counts inputs of the device's source from 0.
        confidence: Share of the neighbours' vote for ``predicted_label``, 0 to 1.
        distance_score: Mean neighbour distance in standard deviations from the reference mean.
        neighbours: Who voted, nearest first.
        image: None when the device sent features only.
        group_id: Group of look-alikes; empty until it was grouped.
        group_similarity: Cosine similarity to the centre of that group when it joined.
        disagree_time: Since when reviewers disagree and nobody decided; None where they do not.
    """

    sample_id: str
    device_id: str
    drift_event_id: str
    model: ModelReference
    source_index: int
    capture_time: datetime
    predicted_label: str
    confidence: float
    distance_score: float
    embedding: Embedding
    neighbours: tuple[Neighbour, ...]
    image: StoredImage | None
    judgement: Judgement | None = None
    group_id: str = ""
    group_similarity: float = 0.0
    disagree_time: datetime | None = None

    @property
    def state(self) -> SampleState:
        return SampleState.OPEN if self.judgement is None else SampleState.JUDGED


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementChange:
    """What became of one sample's judgement; without its vector, since one change may concern very many samples.

    Attributes:
        before: None when it waited.
        after: None when it waits.
        disagree_time: As `Sample.disagree_time`, afterwards.
    """

    sample_id: str
    device_id: str
    drift_event_id: str
    before: Judgement | None
    after: Judgement | None
    disagree_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedSample:
    """A sample as it arrives, with the bytes of its picture; both or neither of the two images are there."""

    sample: Sample
    image_content: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventProgress:
    """How far the review of one event's samples has come.

    Kept apart from the event, because samples, verdicts and feedback may all come before it.
    """

    sample_count: int = 0
    judged_sample_count: int = 0
    verdict_count: int = 0
    feedback_count: int = 0
    acknowledged_feedback_count: int = 0

    @property
    def complete(self) -> bool:
        """Every sample judged, and every feedback item finally acknowledged."""
        return (
            0 < self.sample_count == self.judged_sample_count
            and self.feedback_count == self.acknowledged_feedback_count
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftEvent:
    """Something changed in what a device sees.

    Attributes:
        detector: Name of the detector, e.g. "knn_distance.page_hinkley".
        severity: None when not estimated.
        cause: None when not estimated.
        statistic: Test statistic at the alarm.
        threshold: What it crossed.
        shift_sigma: Estimated size of the shift in reference standard deviations.
        recovery_time: None, as ``recovery_index``, while the drift lasts.
        receive_time: When the server first heard of it.
        resolution: Why and by whom it was resolved; empty otherwise.
        closed_by_hand: A person resolved it, so new evidence does not open it again.
        scope: None until it was decided, or while no device is known to run that model version.
        scope_reason: The figures behind it, for people.
    """

    drift_event_id: str
    device_id: str
    model: ModelReference
    detector: str
    type: DriftType
    severity: Severity | None
    cause: DriftCause | None
    statistic: float
    threshold: float
    shift_sigma: float
    start_time: datetime
    detect_time: datetime
    recovery_time: datetime | None
    start_index: int
    detect_index: int
    recovery_index: int | None
    description: str
    receive_time: datetime
    state: DriftEventState = DriftEventState.OPEN
    resolution: str = ""
    closed_by_hand: bool = False
    progress: EventProgress = EventProgress()
    scope: DriftScope | None = None
    scope_reason: str = ""

    @property
    def recovered(self) -> bool:
        return self.recovery_time is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one reviewer says of one sample; appended, never changed.

    Attributes:
        confidence: 0 when not stated.
        group_id: Group it was given on, when one verdict judged a whole group; empty otherwise.
    """

    verdict_id: str
    sample_id: str
    reviewer: str
    decision: Decision
    label: str
    confidence: float
    note: str
    submit_time: datetime
    group_id: str = ""

    def says_the_same_as(self, other: "Verdict") -> bool:
        """Whether both are one verdict, sent twice; both name their labels as the catalogue does."""
        return self._content() == other._content()

    def _content(self) -> Sequence[object]:
        return (
            self.verdict_id,
            self.sample_id,
            self.reviewer,
            self.decision,
            self.label,
            self.confidence,
            self.note,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftEventTransition:
    """One change of an event's state; ``actor`` is a reviewer, a device id or "server"."""

    from_state: DriftEventState
    to_state: DriftEventState
    actor: str
    reason: str
    change_time: datetime

"""The facts a device deals in: frozen, comparable, free of behaviour.

Vectors: an *embedding* is the extractor's output, ``(d,) float32``; a *point* is the embedding after scaler and
PCA, ``(p,) float32``, the space the classifier and the monitors live in. Only embeddings leave the device.
Enums carry the names of ``tinymlops.v1`` without their prefix.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatVector = NDArray[np.float32]


class Mode(Enum):
    """What a device may do by itself, and what it leaves to the server."""

    AUTONOMOUS = "AUTONOMOUS"
    MONITORING_ONLY = "MONITORING_ONLY"
    VALIDATED_LEARNING = "VALIDATED_LEARNING"
    CENTRALIZED = "CENTRALIZED"


class DriftType(Enum):
    """What a detector watches."""

    KNN_DISTANCE = "KNN_DISTANCE"
    CONFIDENCE = "CONFIDENCE"
    CLASS_DISTRIBUTION = "CLASS_DISTRIBUTION"
    FEATURE_RESIDUAL = "FEATURE_RESIDUAL"
    COMBINED = "COMBINED"


class Severity(Enum):
    """How large a drift is: its estimated shift is below 1, 2, 4 reference standard deviations, or more."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class DriftCause(Enum):
    """What a drift looks like."""

    NOVELTY = "NOVELTY"
    COVARIATE_SHIFT = "COVARIATE_SHIFT"
    PRIOR_SHIFT = "PRIOR_SHIFT"


class Decision(Enum):
    """What a sample was judged to be; a reviewer who cannot tell, or takes a verdict back, judges nothing."""

    CONFIRMED_LABEL = "CONFIRMED_LABEL"
    NEW_LABEL = "NEW_LABEL"
    NOT_DRIFT = "NOT_DRIFT"
    UNUSABLE = "UNUSABLE"


class FeedbackOutcome(Enum):
    """What became of a feedback item."""

    APPLIED = "APPLIED"
    REJECTED = "REJECTED"
    DEFERRED = "DEFERRED"


class AdaptationKind(Enum):
    """What an adaptation was made from."""

    SENSOR_CORRECTION = "SENSOR_CORRECTION"
    PSEUDO_LABELS = "PSEUDO_LABELS"
    HUMAN_LABELS = "HUMAN_LABELS"


class AdaptationState(Enum):
    """What became of an adaptation; states only move down this list."""

    REFUSED = "REFUSED"
    COMMITTED = "COMMITTED"
    CONFIRMED = "CONFIRMED"
    ROLLED_BACK = "ROLLED_BACK"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """Which model made a record.

    Attributes:
        model_name: Registered name; empty when no server knows the bundle.
        version: Version inside the registered model, from 1; 0 when no server knows it.
        bundle_sha256: Digest of the bundle file, 64 lower-case hex digits.
        feature_space: Digest of the extractor model; only embeddings with equal values may be compared.
    """

    model_name: str
    version: int
    bundle_sha256: str
    feature_space: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An encoded picture of a frame: ``format`` is "PNG" or "JPEG"."""

    format: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One input of a source: a picture, a window of a sensor, anything with the extractor's input shape.

    Attributes:
        source_index: Counts inputs of the source from 0.
        capture_time: Aware UTC.
        content: What the extractor takes, without the batch dimension, e.g. ``(28, 28, 1) uint8``.
    """

    source_index: int
    capture_time: datetime
    content: NDArray[np.generic]


class Neighbour(NamedTuple):
    """A stored sample near a query; ``distance`` in the classifier's space and metric.

    A named tuple, because every prediction makes several of them.
    """

    sample_id: str
    label: str
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The classifier's answer.

    Attributes:
        label: Winning label.
        confidence: Share of the vote for it, 0 to 1.
        neighbours: Who voted, nearest first.
        mean_distance: Mean of the neighbours' distances.
    """

    label: str
    confidence: float
    neighbours: tuple[Neighbour, ...]
    mean_distance: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observation:
    """A classified frame: all that monitors and the quarantine may look at."""

    source_index: int
    capture_time: datetime
    embedding: FloatVector
    point: FloatVector
    prediction: Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A monitor entered a drift.

    Attributes:
        detector: Name of the monitor, e.g. "knn_distance.page_hinkley".
        statistic: Test statistic at the alarm.
        threshold: What it crossed.
        shift_sigma: Estimated size of the shift, in reference standard deviations.
        start_index: Source index of the estimated change point.
        detect_index: Source index of the alarm.
        cause: What it looks like; None when the monitor cannot tell.
        description: One sentence for people; may be empty.
    """

    detector: str
    type: DriftType
    statistic: float
    threshold: float
    shift_sigma: float
    start_index: int
    detect_index: int
    cause: DriftCause | None = None
    description: str = ""

    @property
    def severity(self) -> Severity:
        """Severity by the size of the shift."""
        size = abs(self.shift_sigma)
        if size < 1:
            return Severity.LOW
        if size < 2:
            return Severity.MEDIUM
        return Severity.HIGH if size < 4 else Severity.CRITICAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """A monitor left a drift at ``recovery_index``."""

    detector: str
    recovery_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftEvent:
    """An alarm that got an identity, a model and moments in time."""

    drift_event_id: str
    model: ModelReference
    alarm: Alarm
    start_time: datetime
    detect_time: datetime
    recovery_index: int | None = None
    recovery_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """An observation kept as evidence; ``drift_event_id`` is empty for a single far sample.

    ``distance_score`` is the mean distance in standard deviations from the reference mean.
    """

    sample_id: str
    drift_event_id: str
    model: ModelReference
    observation: Observation
    distance_score: float
    image: Image | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeedbackItem:
    """A judged sample, with its embedding in case the device lost its own copy."""

    feedback_id: str
    sequence: int
    sample_id: str
    drift_event_id: str
    decision: Decision
    label: str
    embedding: FloatVector
    feature_space: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationEffect:
    """What one adaptation changed, measured on the device; accuracies 0 to 1.

    ``stream_distance`` is the mean neighbour distance of the recent stream, in standard deviations of the predicted
    class.
    """

    adaptation_id: str
    judged_accuracy_before: float
    judged_accuracy_after: float
    judged_sample_count: int
    reference_accuracy_before: float
    reference_accuracy_after: float
    reference_sample_count: int
    propagated_sample_count: int
    commit_time: datetime
    stream_distance_before: float = 0.0
    stream_distance_after: float = 0.0
    stream_sample_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """One attempt to change the classifier.

    Attributes:
        drift_event_id: The drift it answers; empty when there is none.
        description: What was done, for people.
        reason: Why it was refused or taken back, for people.
        effect: What was measured; None when it was refused before anything could be.
        sample_ids: Samples that it learned from.
        decide_time: When it took its state, aware UTC.
    """

    adaptation_id: str
    model: ModelReference
    kind: AdaptationKind
    state: AdaptationState
    drift_event_id: str
    description: str
    reason: str
    effect: AdaptationEffect | None
    sample_ids: tuple[str, ...]
    decide_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A device's answer to one feedback item; ``effect`` only with APPLIED, ``reason`` otherwise."""

    feedback_id: str
    outcome: FeedbackOutcome
    reason: str = ""
    effect: AdaptationEffect | None = None

"""The facts on the screens: frozen, comparable, free of the wire they came over.

Enum-like fields carry the contract's names without their prefix, e.g. state "IN_REVIEW"; "" means not stated.
"""

import struct
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """The model a device runs or a sample was classified by."""

    name: str
    version: int
    bundle_sha256: str

    @property
    def title(self) -> str:
        """Short name for people."""
        known = f"{self.name} v{self.version}" if self.name and self.version else self.name
        return known or (self.bundle_sha256[:12] if self.bundle_sha256 else "no model")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """One device as the Fleet page shows it."""

    device_id: str
    display_name: str
    labels: tuple[tuple[str, str], ...]
    location: tuple[float, float] | None
    machine: str
    runtime: str
    mode: str
    connectivity: str
    last_contact_time: datetime | None
    model: ModelView
    drifting: bool
    prediction_count: int
    drift_event_count: int
    adaptation_count: int
    quarantine_count: int
    outbox_count: int
    latency_ms: float
    memory_bytes: int

    @property
    def title(self) -> str:
        """Name for people."""
        return self.display_name or self.device_id


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """A drift event."""

    drift_event_id: str
    device_id: str
    model: ModelView
    detector: str
    type: str
    severity: str
    cause: str
    statistic: float
    threshold: float
    shift_sigma: float
    start_time: datetime | None
    detect_time: datetime | None
    recovery_time: datetime | None
    start_index: int
    detect_index: int
    description: str
    state: str
    resolution: str
    sample_count: int
    judged_sample_count: int
    feedback_count: int
    acknowledged_feedback_count: int
    receive_time: datetime | None
    scope: str
    scope_reason: str

    @property
    def closed(self) -> bool:
        """Whether no verdict is taken any more."""
        return self.state == "RESOLVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionView:
    """One change of an event's state."""

    from_state: str
    to_state: str
    actor: str
    reason: str
    change_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourView:
    """A stored sample near the one under review."""

    sample_id: str
    label: str
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleView:
    """A sample under review, without its picture; ``embedding_values`` are little-endian float32."""

    sample_id: str
    device_id: str
    drift_event_id: str
    source_index: int
    capture_time: datetime | None
    predicted_label: str
    confidence: float
    distance_score: float
    embedding_values: bytes
    neighbours: tuple[NeighbourView, ...]
    has_image: bool
    state: str
    judged_label: str
    judged_decision: str
    feature_space: str
    group_id: str
    group_similarity: float

    @property
    def judged(self) -> bool:
        """Whether its verdicts agreed."""
        return self.state == "JUDGED"

    @property
    def embedding(self) -> tuple[float, ...]:
        """The vector as numbers; lists of samples carry thousands of them that nobody looks at."""
        return struct.unpack(f"<{len(self.embedding_values) // 4}f", self.embedding_values)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictView:
    """What a reviewer is about to say of a sample; ``decision`` without its prefix.

    ``occasion`` names the showing of the sample that the verdict answers: the same judgement of the same showing is
    one verdict however often it is sent, and one of a later showing is another.
    """

    sample_id: str
    reviewer: str
    decision: str
    label: str = ""
    note: str = ""
    occasion: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectView:
    """What one adaptation changed; accuracies 0 to 1, distances in standard deviations."""

    adaptation_id: str
    judged_accuracy_before: float
    judged_accuracy_after: float
    judged_sample_count: int
    reference_accuracy_before: float
    reference_accuracy_after: float
    reference_sample_count: int
    propagated_sample_count: int
    commit_time: datetime | None
    stream_distance_before: float
    stream_distance_after: float
    stream_sample_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationView:
    """One attempt of a device to change what it knows; ``effect`` None when nothing could be measured."""

    adaptation_id: str
    device_id: str
    drift_event_id: str
    kind: str
    state: str
    description: str
    reason: str
    effect: EffectView | None
    sample_count: int
    decide_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackView:
    """A judgement on its way to a device, and the device's answer."""

    feedback_id: str
    device_id: str
    sequence: int
    sample_id: str
    drift_event_id: str
    decision: str
    label: str
    outcome: str
    reason: str
    effect: EffectView | None
    create_time: datetime | None
    acknowledge_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """What the server does with the entries of one kind in a package."""

    kind: str
    state: str
    error: str
    record_count: int
    attempt_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageView:
    """A package on its way from a device to knowledge."""

    package_id: str
    device_id: str
    size_bytes: int
    state: str
    error_reason: str
    error: str
    steps: tuple[StepView, ...]
    receive_time: datetime | None
    process_time: datetime | None

    @property
    def failed(self) -> bool:
        """Whether somebody may have it tried again."""
        return self.state == "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesView:
    """One metric of one device: moments and means, in the order of time, with gaps where nothing was measured."""

    name: str
    points: tuple[tuple[datetime, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogView:
    """One line of a device's log."""

    device_id: str
    log_time: datetime | None
    level: str
    logger: str
    message: str

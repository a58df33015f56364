"""Judged samples on their way to devices, and what the devices made of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from tinysphere.domain.drift import Embedding, Judgement


class FeedbackOutcome(Enum):
    """What a device did with a feedback item."""

    APPLIED = "APPLIED"
    REJECTED = "REJECTED"
    DEFERRED = "DEFERRED"

    @property
    def final(self) -> bool:
        """Whether the item is done with it; a deferred one is not."""
        return self is not FeedbackOutcome.DEFERRED


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationEffect:
    """What one adaptation changed, measured on the device; accuracies 0 to 1.

    Attributes:
        adaptation_id: UUIDv7 made on the device; one adaptation may serve many items.
        judged_accuracy_before: On the judged samples, by the classifier that had not seen them.
        judged_accuracy_after: The same after, each sample left out of its own neighbours.
        reference_accuracy_before: Leave-one-out, on the trusted reference samples.
        commit_time: By the device's clock.
        stream_distance_before: Mean neighbour distance of the recent stream, in standard deviations of the
            predicted class.
        stream_sample_count: Frames of the recent stream; 0 when there was none.
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
class Acknowledgement:
    """A device's answer to one item; ``effect`` with APPLIED only, ``reason`` with the others."""

    feedback_id: str
    outcome: FeedbackOutcome
    reason: str
    effect: AdaptationEffect | None
    acknowledge_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackItem:
    """A judged sample for one device.

    Attributes:
        sequence: Counts the items of one device from 1, without gaps.
        embedding: The judged sample's vector, for a device that lost its copy.
        acknowledgement: The newest answer; a final one never changes.
    """

    feedback_id: str
    device_id: str
    sequence: int
    sample_id: str
    drift_event_id: str
    judgement: Judgement
    embedding: Embedding
    create_time: datetime
    acknowledgement: Acknowledgement | None = None

    @property
    def done(self) -> bool:
        return self.acknowledgement is not None and self.acknowledgement.outcome.final

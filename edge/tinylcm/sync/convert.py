"""Records to messages and back. What a newer server says and this device does not know becomes None."""

from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from tinylcm.errors import InputError
from tinylcm.records import (
    Acknowledgement,
    Adaptation,
    AdaptationEffect,
    Decision,
    DriftEvent,
    FeedbackItem,
    FloatVector,
    Image,
    Mode,
    ModelReference,
    Neighbour,
    Sample,
)
from tinymlops.v1 import adaptation_pb2, device_pb2, drift_pb2, feedback_pb2

_Member = TypeVar("_Member", bound=Enum)
_LITTLE_ENDIAN_FLOAT = np.dtype("<f4")


def to_timestamp(moment: datetime | None) -> Timestamp | None:
    """Returns an aware datetime as a message; None stays absent."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def to_enum(wrapper: Any, prefix: str, member: Enum | None) -> Any:
    """Returns the number of a record's enum member; None becomes UNSPECIFIED, 0."""
    return 0 if member is None else wrapper.Value(f"{prefix}_{member.name}")


def from_enum(wrapper: Any, prefix: str, number: int, members: type[_Member]) -> _Member | None:
    """Returns the record's enum member of a number, or None when it is UNSPECIFIED or unknown here."""
    if number not in wrapper.values():
        return None
    return members.__members__.get(wrapper.Name(number).removeprefix(f"{prefix}_"))


def to_mode(mode: Mode) -> "device_pb2.Mode.ValueType":
    """Returns the wire form of a mode."""
    number: device_pb2.Mode.ValueType = to_enum(device_pb2.Mode, "MODE", mode)
    return number


def from_mode(number: int) -> Mode | None:
    """Returns a mode, or None for "keep the present one"."""
    return from_enum(device_pb2.Mode, "MODE", number, Mode)


def to_model(model: ModelReference) -> device_pb2.ModelReference:
    """Returns the wire form of a model reference."""
    return device_pb2.ModelReference(
        model_name=model.model_name,
        version=model.version,
        bundle_sha256=model.bundle_sha256,
        feature_space=model.feature_space,
    )


def to_embedding(values: FloatVector, feature_space: str) -> drift_pb2.Embedding:
    """Returns the wire form of an embedding ``(d,) float32``."""
    return drift_pb2.Embedding(
        values=values.astype(_LITTLE_ENDIAN_FLOAT).tobytes(),
        dimension_count=values.size,
        feature_space=feature_space,
    )


def from_embedding(message: drift_pb2.Embedding) -> FloatVector:
    """Returns an embedding, ``(d,) float32``.

    Raises:
        InputError: Its bytes are not ``dimension_count`` finite float32 values.
    """
    if len(message.values) != 4 * message.dimension_count:
        raise InputError(f"embedding: {len(message.values)} bytes are not {message.dimension_count} float32")
    values = np.frombuffer(message.values, _LITTLE_ENDIAN_FLOAT).astype(np.float32)
    if not np.isfinite(values).all():
        raise InputError("embedding: expected finite values")
    return values


def to_drift_event(event: DriftEvent, device_id: str) -> drift_pb2.DriftEvent:
    """Returns the wire form of a drift event."""
    alarm = event.alarm
    return drift_pb2.DriftEvent(
        drift_event_id=event.drift_event_id,
        device_id=device_id,
        model=to_model(event.model),
        detector=alarm.detector,
        type=to_enum(drift_pb2.DriftType, "DRIFT_TYPE", alarm.type),
        severity=to_enum(drift_pb2.Severity, "SEVERITY", alarm.severity),
        cause=to_enum(drift_pb2.DriftCause, "DRIFT_CAUSE", alarm.cause),
        statistic=alarm.statistic,
        threshold=alarm.threshold,
        shift_sigma=alarm.shift_sigma,
        start_time=to_timestamp(event.start_time),
        detect_time=to_timestamp(event.detect_time),
        recovery_time=to_timestamp(event.recovery_time),
        start_index=alarm.start_index,
        detect_index=alarm.detect_index,
        recovery_index=event.recovery_index,
        description=alarm.description[:1024],
    )


def to_sample(sample: Sample, device_id: str) -> drift_pb2.Sample:
    """Returns the wire form of a sample."""
    seen, image = sample.observation, sample.image
    return drift_pb2.Sample(
        sample_id=sample.sample_id,
        device_id=device_id,
        drift_event_id=sample.drift_event_id,
        model=to_model(sample.model),
        source_index=seen.source_index,
        capture_time=to_timestamp(seen.capture_time),
        predicted_label=seen.prediction.label,
        confidence=seen.prediction.confidence,
        distance_score=sample.distance_score,
        embedding=to_embedding(seen.embedding, sample.model.feature_space),
        neighbours=[_to_neighbour(neighbour) for neighbour in seen.prediction.neighbours[:64]],
        image=b"" if image is None else image.content,
        image_format=_image_format(image),
    )


def _image_format(image: Image | None) -> "drift_pb2.ImageFormat.ValueType":
    return drift_pb2.ImageFormat.Value(f"IMAGE_FORMAT_{'UNSPECIFIED' if image is None else image.format}")


def _to_neighbour(neighbour: Neighbour) -> drift_pb2.Neighbour:
    return drift_pb2.Neighbour(
        sample_id=neighbour.sample_id, label=neighbour.label, distance=neighbour.distance
    )


def from_feedback_item(message: feedback_pb2.FeedbackItem) -> FeedbackItem | None:
    """Returns a feedback item, or None when this device does not know its decision.

    Raises:
        InputError: Its embedding is damaged.
    """
    decision = from_enum(drift_pb2.Decision, "DECISION", message.decision, Decision)
    if decision is None:
        return None
    return FeedbackItem(
        feedback_id=message.feedback_id,
        sequence=message.sequence,
        sample_id=message.sample_id,
        drift_event_id=message.drift_event_id,
        decision=decision,
        label=message.label,
        embedding=from_embedding(message.embedding),
        feature_space=message.embedding.feature_space,
    )


def to_acknowledgement(answer: Acknowledgement) -> feedback_pb2.FeedbackAcknowledgement:
    """Returns the wire form of an answer."""
    return feedback_pb2.FeedbackAcknowledgement(
        feedback_id=answer.feedback_id,
        outcome=to_enum(feedback_pb2.FeedbackOutcome, "FEEDBACK_OUTCOME", answer.outcome),
        reason=answer.reason[:1024],
        effect=None if answer.effect is None else _to_effect(answer.effect),
    )


def to_adaptation(adaptation: Adaptation, device_id: str) -> adaptation_pb2.Adaptation:
    """Returns the wire form of an adaptation."""
    return adaptation_pb2.Adaptation(
        adaptation_id=adaptation.adaptation_id,
        device_id=device_id,
        model=to_model(adaptation.model),
        kind=to_enum(adaptation_pb2.AdaptationKind, "ADAPTATION_KIND", adaptation.kind),
        state=to_enum(adaptation_pb2.AdaptationState, "ADAPTATION_STATE", adaptation.state),
        drift_event_id=adaptation.drift_event_id,
        description=adaptation.description[:1024],
        reason=adaptation.reason[:1024],
        effect=None if adaptation.effect is None else _to_effect(adaptation.effect),
        sample_ids=adaptation.sample_ids[:500],
        decide_time=to_timestamp(adaptation.decide_time),
    )


def _to_effect(effect: AdaptationEffect) -> feedback_pb2.AdaptationEffect:
    return feedback_pb2.AdaptationEffect(
        adaptation_id=effect.adaptation_id,
        judged_accuracy_before=effect.judged_accuracy_before,
        judged_accuracy_after=effect.judged_accuracy_after,
        judged_sample_count=effect.judged_sample_count,
        reference_accuracy_before=effect.reference_accuracy_before,
        reference_accuracy_after=effect.reference_accuracy_after,
        reference_sample_count=effect.reference_sample_count,
        propagated_sample_count=effect.propagated_sample_count,
        commit_time=to_timestamp(effect.commit_time),
        stream_distance_before=effect.stream_distance_before,
        stream_distance_after=effect.stream_distance_after,
        stream_sample_count=effect.stream_sample_count,
    )

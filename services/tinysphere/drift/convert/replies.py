"""The domain's drift records as messages."""

from tinymlops.v1 import drift_pb2, drift_service_pb2
from tinysphere.domain.drift import (
    DriftEvent,
    DriftEventTransition,
    Embedding,
    Sample,
    Verdict,
)
from tinysphere.domain.sample_groups import LabelBudget
from tinysphere.rpc.nouns import enum_number, model_reference, to_timestamp


def drift_event(event: DriftEvent) -> drift_pb2.DriftEvent:
    """The contract's message."""
    return drift_pb2.DriftEvent(
        drift_event_id=event.drift_event_id,
        device_id=event.device_id,
        model=model_reference(event.model),
        detector=event.detector,
        type=enum_number(event.type, drift_pb2.DriftType),
        severity=enum_number(event.severity, drift_pb2.Severity),
        cause=enum_number(event.cause, drift_pb2.DriftCause),
        statistic=event.statistic,
        threshold=event.threshold,
        shift_sigma=event.shift_sigma,
        start_time=to_timestamp(event.start_time),
        detect_time=to_timestamp(event.detect_time),
        recovery_time=to_timestamp(event.recovery_time),
        start_index=event.start_index,
        detect_index=event.detect_index,
        recovery_index=event.recovery_index,
        description=event.description,
        state=enum_number(event.state, drift_pb2.DriftEventState),
        resolution=event.resolution,
        sample_count=event.progress.sample_count,
        judged_sample_count=event.progress.judged_sample_count,
        feedback_count=event.progress.feedback_count,
        acknowledged_feedback_count=event.progress.acknowledged_feedback_count,
        receive_time=to_timestamp(event.receive_time),
        scope=enum_number(event.scope, drift_pb2.DriftScope),
        scope_reason=event.scope_reason,
    )


def transition(made: DriftEventTransition) -> drift_pb2.DriftEventTransition:
    """The contract's message."""
    return drift_pb2.DriftEventTransition(
        from_state=enum_number(made.from_state, drift_pb2.DriftEventState),
        to_state=enum_number(made.to_state, drift_pb2.DriftEventState),
        actor=made.actor,
        reason=made.reason,
        change_time=to_timestamp(made.change_time),
    )


def sample(kept: Sample) -> drift_pb2.Sample:
    """The contract's message, without the picture."""
    judgement = kept.judgement
    return drift_pb2.Sample(
        sample_id=kept.sample_id,
        device_id=kept.device_id,
        drift_event_id=kept.drift_event_id,
        model=model_reference(kept.model),
        source_index=kept.source_index,
        capture_time=to_timestamp(kept.capture_time),
        predicted_label=kept.predicted_label,
        confidence=kept.confidence,
        distance_score=kept.distance_score,
        embedding=embedding(kept.embedding),
        neighbours=[
            drift_pb2.Neighbour(sample_id=entry.sample_id, label=entry.label, distance=entry.distance)
            for entry in kept.neighbours
        ],
        image_format=enum_number(kept.image.format if kept.image else None, drift_pb2.ImageFormat),
        state=enum_number(kept.state, drift_pb2.SampleState),
        judged_label=judgement.label if judgement else "",
        judged_decision=enum_number(judgement.decision if judgement else None, drift_pb2.Decision),
        group_id=kept.group_id,
        group_similarity=kept.group_similarity,
    )


def embedding(vector: Embedding) -> drift_pb2.Embedding:
    """The contract's message."""
    return drift_pb2.Embedding(
        values=vector.values, dimension_count=vector.dimension_count, feature_space=vector.feature_space
    )


def verdict(given: Verdict) -> drift_pb2.Verdict:
    """The contract's message."""
    return drift_pb2.Verdict(
        verdict_id=given.verdict_id,
        sample_id=given.sample_id,
        reviewer=given.reviewer,
        decision=enum_number(given.decision, drift_pb2.Decision),
        label=given.label,
        confidence=given.confidence,
        note=given.note,
        submit_time=to_timestamp(given.submit_time),
        group_id=given.group_id,
    )


def label_budget(budget: LabelBudget) -> drift_service_pb2.LabelBudget:
    """The contract's message."""
    return drift_service_pb2.LabelBudget(
        open_sample_count=budget.open_sample_count,
        open_group_count=budget.open_group_count,
        main_group_count=budget.main_group_count,
    )

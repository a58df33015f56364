"""Contract messages to view records; an enum number this version does not know becomes ""."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tinyboard.views.records import (
    AdaptationView,
    DeviceView,
    EffectView,
    EventView,
    FeedbackView,
    LogView,
    ModelView,
    NeighbourView,
    PackageView,
    SampleView,
    SeriesView,
    StepView,
    TransitionView,
)
from tinymlops.v1 import adaptation_pb2, device_pb2, drift_pb2, feedback_pb2, package_pb2, telemetry_pb2


def moment(message: Message, field: str) -> datetime | None:
    """A timestamp as aware UTC; None when it is absent."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(tzinfo=UTC)


def stamp(moment: datetime) -> Timestamp:
    """An aware moment as the contract carries it."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def name_of(enum: Any, prefix: str, number: int) -> str:
    """The contract's name without its prefix; "" for not stated and for numbers this version does not know."""
    name = enum.Name(number).removeprefix(prefix) if number in enum.values() else ""
    return "" if name == "UNSPECIFIED" else str(name)


def model_view(model: device_pb2.ModelReference) -> ModelView:
    return ModelView(name=model.model_name, version=model.version, bundle_sha256=model.bundle_sha256)


def device_view(device: device_pb2.Device) -> DeviceView:
    place = device.location
    return DeviceView(
        device_id=device.device_id,
        display_name=device.display_name,
        labels=tuple(sorted(device.labels.items())),
        location=(place.latitude_deg, place.longitude_deg) if device.HasField("location") else None,
        machine=device.platform.machine,
        runtime=device.platform.runtime,
        mode=name_of(device_pb2.Mode, "MODE_", device.mode),
        connectivity=name_of(device_pb2.Connectivity, "CONNECTIVITY_", device.connectivity),
        last_contact_time=moment(device, "last_contact_time"),
        model=model_view(device.status.running_model),
        drifting=device.status.drifting,
        prediction_count=device.counters.prediction_count,
        drift_event_count=device.counters.drift_event_count,
        adaptation_count=device.counters.adaptation_count,
        quarantine_count=device.status.quarantine_count,
        outbox_count=device.status.outbox_count,
        latency_ms=device.status.latency_ms,
        memory_bytes=device.status.memory_bytes,
    )


def event_view(event: drift_pb2.DriftEvent) -> EventView:
    return EventView(
        drift_event_id=event.drift_event_id,
        device_id=event.device_id,
        model=model_view(event.model),
        detector=event.detector,
        type=name_of(drift_pb2.DriftType, "DRIFT_TYPE_", event.type),
        severity=name_of(drift_pb2.Severity, "SEVERITY_", event.severity),
        cause=name_of(drift_pb2.DriftCause, "DRIFT_CAUSE_", event.cause),
        statistic=event.statistic,
        threshold=event.threshold,
        shift_sigma=event.shift_sigma,
        start_time=moment(event, "start_time"),
        detect_time=moment(event, "detect_time"),
        recovery_time=moment(event, "recovery_time"),
        start_index=event.start_index,
        detect_index=event.detect_index,
        description=event.description,
        state=name_of(drift_pb2.DriftEventState, "DRIFT_EVENT_STATE_", event.state),
        resolution=event.resolution,
        sample_count=event.sample_count,
        judged_sample_count=event.judged_sample_count,
        feedback_count=event.feedback_count,
        acknowledged_feedback_count=event.acknowledged_feedback_count,
        receive_time=moment(event, "receive_time"),
        scope=name_of(drift_pb2.DriftScope, "DRIFT_SCOPE_", event.scope),
        scope_reason=event.scope_reason,
    )


def transition_view(transition: drift_pb2.DriftEventTransition) -> TransitionView:
    return TransitionView(
        from_state=name_of(drift_pb2.DriftEventState, "DRIFT_EVENT_STATE_", transition.from_state),
        to_state=name_of(drift_pb2.DriftEventState, "DRIFT_EVENT_STATE_", transition.to_state),
        actor=transition.actor,
        reason=transition.reason,
        change_time=moment(transition, "change_time"),
    )


def sample_view(sample: drift_pb2.Sample) -> SampleView:
    return SampleView(
        sample_id=sample.sample_id,
        device_id=sample.device_id,
        drift_event_id=sample.drift_event_id,
        source_index=sample.source_index,
        capture_time=moment(sample, "capture_time"),
        predicted_label=sample.predicted_label,
        confidence=sample.confidence,
        distance_score=sample.distance_score,
        embedding_values=sample.embedding.values,
        neighbours=tuple(
            NeighbourView(sample_id=one.sample_id, label=one.label, distance=one.distance)
            for one in sample.neighbours
        ),
        has_image=sample.image_format != drift_pb2.IMAGE_FORMAT_UNSPECIFIED,
        state=name_of(drift_pb2.SampleState, "SAMPLE_STATE_", sample.state),
        judged_label=sample.judged_label,
        judged_decision=name_of(drift_pb2.Decision, "DECISION_", sample.judged_decision),
        feature_space=sample.embedding.feature_space or sample.model.feature_space,
        group_id=sample.group_id,
        group_similarity=sample.group_similarity,
    )


def feedback_view(item: feedback_pb2.FeedbackItem) -> FeedbackView:
    return FeedbackView(
        feedback_id=item.feedback_id,
        device_id=item.device_id,
        sequence=item.sequence,
        sample_id=item.sample_id,
        drift_event_id=item.drift_event_id,
        decision=name_of(drift_pb2.Decision, "DECISION_", item.decision),
        label=item.label,
        outcome=name_of(feedback_pb2.FeedbackOutcome, "FEEDBACK_OUTCOME_", item.outcome),
        reason=item.reason,
        effect=_effect(item.effect) if item.HasField("effect") else None,
        create_time=moment(item, "create_time"),
        acknowledge_time=moment(item, "acknowledge_time"),
    )


def adaptation_view(adaptation: adaptation_pb2.Adaptation) -> AdaptationView:
    return AdaptationView(
        adaptation_id=adaptation.adaptation_id,
        device_id=adaptation.device_id,
        drift_event_id=adaptation.drift_event_id,
        kind=name_of(adaptation_pb2.AdaptationKind, "ADAPTATION_KIND_", adaptation.kind),
        state=name_of(adaptation_pb2.AdaptationState, "ADAPTATION_STATE_", adaptation.state),
        description=adaptation.description,
        reason=adaptation.reason,
        effect=_effect(adaptation.effect) if adaptation.HasField("effect") else None,
        sample_count=len(adaptation.sample_ids),
        decide_time=moment(adaptation, "decide_time"),
    )


def package_view(package: package_pb2.Package) -> PackageView:
    return PackageView(
        package_id=package.descriptor.package_id,
        device_id=package.descriptor.device_id,
        size_bytes=package.descriptor.size_bytes,
        state=name_of(package_pb2.PackageState, "PACKAGE_STATE_", package.state),
        error_reason=package.error_reason,
        error=package.error,
        steps=tuple(map(_step, package.steps)),
        receive_time=moment(package, "receive_time"),
        process_time=moment(package, "process_time"),
    )


def series_view(name: str, found: Iterable[telemetry_pb2.MetricSeries]) -> SeriesView:
    """The series of one device, which has none where it never sent the metric."""
    buckets = [bucket for series in found for bucket in series.buckets]
    return SeriesView(
        name=name,
        points=tuple((bucket.start_time.ToDatetime(tzinfo=UTC), bucket.value) for bucket in buckets),
    )


def log_view(found: telemetry_pb2.DeviceLogRecord) -> LogView:
    return LogView(
        device_id=found.device_id,
        log_time=moment(found.record, "log_time"),
        level=found.record.level,
        logger=found.record.logger,
        message=found.record.message,
    )


def _step(step: package_pb2.PackageStep) -> StepView:
    return StepView(
        kind=name_of(package_pb2.EntryKind, "ENTRY_KIND_", step.kind),
        state=name_of(package_pb2.StepState, "STEP_STATE_", step.state),
        error=step.error,
        record_count=step.record_count,
        attempt_count=step.attempt_count,
    )


def _effect(effect: feedback_pb2.AdaptationEffect) -> EffectView:
    return EffectView(
        adaptation_id=effect.adaptation_id,
        judged_accuracy_before=effect.judged_accuracy_before,
        judged_accuracy_after=effect.judged_accuracy_after,
        judged_sample_count=effect.judged_sample_count,
        reference_accuracy_before=effect.reference_accuracy_before,
        reference_accuracy_after=effect.reference_accuracy_after,
        reference_sample_count=effect.reference_sample_count,
        propagated_sample_count=effect.propagated_sample_count,
        commit_time=moment(effect, "commit_time"),
        stream_distance_before=effect.stream_distance_before,
        stream_distance_after=effect.stream_distance_after,
        stream_sample_count=effect.stream_sample_count,
    )

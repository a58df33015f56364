"""Scores one device of the demonstration against the truth it never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from demo.scenario import NOVEL_CLASS, DeviceStory
from tinymlops.v1 import device_pb2, drift_pb2, feedback_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedPrediction:
    """One line of a device's prediction log."""

    label: str
    capture_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceScore:
    """What happened on one device; accuracies 0 to 1, None where nothing was to measure.

    *During* means under drift, before the first adaptation.
    """

    device_id: str
    drift: str
    accuracy_before: float | None
    accuracy_during: float | None
    accuracy_after: float | None
    novel_accuracy_during: float | None
    novel_accuracy_after: float | None
    known_accuracy_after: float | None
    detection_delay_frames: int | None
    false_alarm_count: int
    drift_event_count: int
    resolved_event_count: int
    label_count: int
    feedback_count: int
    acknowledged_feedback_count: int
    applied_feedback_count: int
    package_count: int
    cut_count: int
    sent_bytes: int
    resent_bytes: int
    drift_to_label_s: float | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def score(
    story: DeviceStory,
    *,
    predictions: Mapping[int, LoggedPrediction],
    device: device_pb2.Device,
    events: Sequence[drift_pb2.DriftEvent],
    feedback: Sequence[feedback_pb2.FeedbackItem],
    cut_count: int,
) -> DeviceScore:
    """Puts the device's own predictions, by source index, beside what the server knows of it."""
    during = story.phase_range("during")
    hits = sorted(event.detect_index for event in events if event.detect_index >= during.start)
    final = (feedback_pb2.FEEDBACK_OUTCOME_APPLIED, feedback_pb2.FEEDBACK_OUTCOME_REJECTED)
    applied = [item for item in feedback if item.outcome == feedback_pb2.FEEDBACK_OUTCOME_APPLIED]
    adapted_time = min(
        (_moment(item.effect.commit_time) for item in applied), default=datetime.max.replace(tzinfo=UTC)
    )
    labels = {index: one.label for index, one in predictions.items()}
    untouched = {index: one.label for index, one in predictions.items() if one.capture_time < adapted_time}
    return DeviceScore(
        device_id=story.device_id,
        drift=story.drift,
        accuracy_before=accuracy(story, labels, "before"),
        accuracy_during=accuracy(story, untouched, "during"),
        accuracy_after=accuracy(story, labels, "after"),
        novel_accuracy_during=accuracy(story, untouched, "during", novel=True),
        novel_accuracy_after=accuracy(story, labels, "after", novel=True),
        known_accuracy_after=accuracy(story, labels, "after", novel=False),
        detection_delay_frames=hits[0] - during.start if hits else None,
        false_alarm_count=len(events) - len(hits),
        drift_event_count=len(events),
        resolved_event_count=sum(event.state == drift_pb2.DRIFT_EVENT_STATE_RESOLVED for event in events),
        label_count=sum(event.judged_sample_count for event in events),
        feedback_count=len(feedback),
        acknowledged_feedback_count=sum(item.outcome in final for item in feedback),
        applied_feedback_count=len(applied),
        package_count=device.counters.package_count,
        cut_count=cut_count,
        sent_bytes=device.counters.sent_bytes,
        resent_bytes=device.counters.resent_bytes,
        drift_to_label_s=_drift_to_label_s(events, applied),
    )


def accuracy(
    story: DeviceStory, labels: Mapping[int, str], phase: str, *, novel: bool | None = None
) -> float | None:
    """Share of right predictions in one phase, of novel or known classes only where asked."""
    truth = story.truth()
    judged = [
        labels[index] == truth[index]
        for index in story.phase_range(phase)
        if index in labels and (novel is None or (truth[index] == NOVEL_CLASS) == novel)
    ]
    return sum(judged) / len(judged) if judged else None


def _moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


def _drift_to_label_s(
    events: Sequence[drift_pb2.DriftEvent], applied: Sequence[feedback_pb2.FeedbackItem]
) -> float | None:
    """Seconds from an alarm to the commit of an adaptation that learnt from it; the shortest."""
    detected = {event.drift_event_id: _moment(event.detect_time) for event in events}
    spans = [
        (_moment(item.effect.commit_time) - detected[item.drift_event_id]).total_seconds()
        for item in applied
        if item.drift_event_id in detected
    ]
    return min(spans) if spans else None


def failures(scores: Sequence[DeviceScore], *, label_budget: int) -> list[str]:
    """Says in sentences why the loop did not close; empty when it did."""
    return [sentence for one in scores for sentence in _failures_of(one, label_budget)]


def _failures_of(one: DeviceScore, label_budget: int) -> list[str]:
    checks = {
        "no drift was noticed": one.detection_delay_frames is not None,
        "an event is not resolved": one.drift_event_count == one.resolved_event_count,
        "feedback was not acknowledged": one.feedback_count == one.acknowledged_feedback_count,
        "no feedback was applied": one.applied_feedback_count > 0,
        f"more than {label_budget} labels were used": one.label_count <= label_budget,
        "accuracy was not measured in every phase": None
        not in (one.accuracy_before, one.accuracy_during, one.accuracy_after),
    }
    if one.drift == NOVEL_CLASS:
        checks[f"novel class at {one.novel_accuracy_after}, wanted above 0.6"] = (
            one.novel_accuracy_after or 0.0
        ) > 0.6
    else:
        gain = (one.accuracy_after or 0.0) - (one.accuracy_during or 1.0)
        checks[f"accuracy under {one.drift} gained {100 * gain:.1f} points, wanted 5"] = gain >= 0.05
    return [f"{one.device_id}: {sentence}" for sentence, holds in checks.items() if not holds]

"""View records with plain values; tests name only what they are about."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from PIL import Image

from tinyboard.views.drift_records import BacklogView
from tinyboard.views.model_records import RolloutView, VersionView
from tinyboard.views.notification_records import RuleView
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
)
from tinyboard.views.reviewing_records import AuditView, GroupView, LabelView

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MODEL = ModelView(name="fashion", version=3, bundle_sha256="ab" * 32)


def device(device_id: str = "camera-1", **facts: Any) -> DeviceView:
    """An online device in Berlin."""
    values: dict[str, Any] = {
        "display_name": "",
        "labels": (),
        "location": (52.5, 13.4),
        "machine": "aarch64",
        "runtime": "ai-edge-litert 2.3.0",
        "mode": "VALIDATED_LEARNING",
        "connectivity": "ONLINE",
        "last_contact_time": NOW,
        "model": MODEL,
        "drifting": False,
        "prediction_count": 100,
        "drift_event_count": 0,
        "adaptation_count": 0,
        "quarantine_count": 0,
        "outbox_count": 0,
        "latency_ms": 2.0,
        "memory_bytes": 64 << 20,
    }
    return DeviceView(device_id=device_id, **(values | facts))


def event(drift_event_id: str = "event-1", **facts: Any) -> EventView:
    """An open event without samples."""
    values: dict[str, Any] = {
        "device_id": "camera-1",
        "model": MODEL,
        "detector": "knn_distance.page_hinkley",
        "type": "KNN_DISTANCE",
        "severity": "HIGH",
        "cause": "NOVELTY",
        "statistic": 31.0,
        "threshold": 25.0,
        "shift_sigma": 3.1,
        "start_time": NOW,
        "detect_time": NOW,
        "recovery_time": None,
        "start_index": 100,
        "detect_index": 140,
        "description": "",
        "state": "OPEN",
        "resolution": "",
        "sample_count": 0,
        "judged_sample_count": 0,
        "feedback_count": 0,
        "acknowledged_feedback_count": 0,
        "receive_time": NOW,
        "scope": "",
        "scope_reason": "",
    }
    return EventView(drift_event_id=drift_event_id, **(values | facts))


def sample(
    sample_id: str = "sample-1", *, voted: tuple[str, ...] = ("coat", "shirt"), **facts: Any
) -> SampleView:
    """An open sample whose neighbours are of the labels `voted`, nearest first."""
    values: dict[str, Any] = {
        "device_id": "camera-1",
        "drift_event_id": "event-1",
        "source_index": 7,
        "capture_time": NOW,
        "predicted_label": voted[0],
        "confidence": 0.6,
        "distance_score": 2.5,
        "embedding_values": struct.pack("<3f", 1.0, -2.0, 0.5),
        "neighbours": tuple(
            NeighbourView(sample_id=f"reference/{place}", label=label, distance=1.0 + place)
            for place, label in enumerate(voted)
        ),
        "has_image": False,
        "state": "OPEN",
        "judged_label": "",
        "judged_decision": "",
        "feature_space": "space-1",
        "group_id": "",
        "group_similarity": 0.0,
    }
    return SampleView(sample_id=sample_id, **(values | facts))


def effect(adaptation_id: str = "adaptation-1", **facts: Any) -> EffectView:
    """An adaptation that helped."""
    values: dict[str, Any] = {
        "judged_accuracy_before": 0.25,
        "judged_accuracy_after": 0.75,
        "judged_sample_count": 4,
        "reference_accuracy_before": 0.9,
        "reference_accuracy_after": 0.88,
        "reference_sample_count": 600,
        "propagated_sample_count": 2,
        "commit_time": NOW,
        "stream_distance_before": 4.5,
        "stream_distance_after": -0.25,
        "stream_sample_count": 250,
    }
    return EffectView(adaptation_id=adaptation_id, **(values | facts))


def adaptation(adaptation_id: str = "adaptation-1", **facts: Any) -> AdaptationView:
    """An adaptation in place that answers an event."""
    values: dict[str, Any] = {
        "device_id": "camera-1",
        "drift_event_id": "event-1",
        "kind": "HUMAN_LABELS",
        "state": "COMMITTED",
        "description": "8 labels of people",
        "reason": "",
        "effect": effect(adaptation_id),
        "sample_count": 8,
        "decide_time": NOW,
    }
    return AdaptationView(adaptation_id=adaptation_id, **(values | facts))


def feedback(feedback_id: str = "feedback-1", **facts: Any) -> FeedbackView:
    """An item on its way."""
    values: dict[str, Any] = {
        "device_id": "camera-1",
        "sequence": 1,
        "sample_id": "sample-1",
        "drift_event_id": "event-1",
        "decision": "NEW_LABEL",
        "label": "bag",
        "outcome": "",
        "reason": "",
        "effect": None,
        "create_time": NOW,
        "acknowledge_time": None,
    }
    return FeedbackView(feedback_id=feedback_id, **(values | facts))


def png(width: int = 8, height: int = 8) -> bytes:
    """A grey picture."""
    target = BytesIO()
    Image.new("L", (width, height), 90).save(target, format="PNG")
    return target.getvalue()


def step(kind: str = "SAMPLES", **facts: Any) -> StepView:
    """A step that succeeded at once."""
    values: dict[str, Any] = {"state": "SUCCEEDED", "error": "", "record_count": 3, "attempt_count": 1}
    return StepView(kind=kind, **(values | facts))


def package(package_id: str = "package-1", **facts: Any) -> PackageView:
    """A package of 20 KiB that was processed."""
    values: dict[str, Any] = {
        "device_id": "camera-1",
        "size_bytes": 20_480,
        "state": "PROCESSED",
        "error_reason": "",
        "error": "",
        "steps": (step(),),
        "receive_time": NOW,
        "process_time": NOW,
    }
    return PackageView(package_id=package_id, **(values | facts))


def series(name: str = "latency_ms.p95", *points: tuple[datetime, float]) -> SeriesView:
    """A metric, measured once if not told otherwise."""
    return SeriesView(name=name, points=points or ((NOW, 2.5),))


def log(message: str = "something", **facts: Any) -> LogView:
    """A line of camera-1's log."""
    values: dict[str, Any] = {
        "device_id": "camera-1",
        "log_time": NOW,
        "level": "INFO",
        "logger": "tinylcm.daemon",
    }
    return LogView(message=message, **(values | facts))


def group(group_id: str = "group-1", **facts: Any) -> GroupView:
    """A group that is near coats."""
    values: dict[str, Any] = {
        "feature_space": "space-1",
        "revision": 7,
        "sample_count": 0,
        "open_sample_count": 0,
        "device_count": 0,
        "device_ids": (),
        "spread": 0.12,
        "nearest_labels": (("coat", 0.7), ("shirt", 0.3)),
        "predicted_labels": (("coat", 3),),
        "judged_labels": (),
        "representative_sample_ids": (),
        "update_time": NOW,
    }
    return GroupView(group_id=group_id, **(values | facts))


def backlog(device_id: str = "camera-1", **facts: Any) -> BacklogView:
    """A device that takes what it is sent."""
    values: dict[str, Any] = {
        "state": "FLOWING",
        "waiting_count": 0,
        "deferred_count": 0,
        "applied_count": 4,
        "rejected_count": 0,
        "oldest_waiting_time": None,
        "acknowledge_time": NOW,
        "last_reason": "",
    }
    return BacklogView(device_id=device_id, **(values | facts))


def audit(ordinal: int = 1, **facts: Any) -> AuditView:
    """A verdict of ada's."""
    values: dict[str, Any] = {
        "audit_time": NOW,
        "actor": "ada",
        "action": "verdict.submit",
        "subject": "sample-1",
        "from_value": "",
        "to_value": "bag",
        "reason": "",
    }
    return AuditView(ordinal=ordinal, **(values | facts))


def label(name: str = "bag", **facts: Any) -> LabelView:
    """A label that ada added."""
    values: dict[str, Any] = {"aliases": (), "sample_count": 3, "creator": "ada", "create_time": NOW}
    return LabelView(name=name, **(values | facts))


def rule(rule_id: str = "rule-1", **facts: Any) -> RuleView:
    """Tells the shift of severe drift."""
    values: dict[str, Any] = {
        "name": "Shift",
        "enabled": True,
        "topics": ("DRIFT_EVENT",),
        "minimum_severity": "HIGH",
        "types": (),
        "channels": ("mailtos://***@example.org",),
        "repeat_s": 3_600,
        "quiet": None,
        "reviewer": "ada",
        "update_time": NOW,
    }
    return RuleView(rule_id=rule_id, **(values | facts))


def version(number: int = 1, name: str = "fashion", **facts: Any) -> VersionView:
    """A published version."""
    values: dict[str, Any] = {
        "size_bytes": 3 << 20,
        "release_counter": number,
        "signing_key_id": "0123456789abcdef",
        "class_names": ("coat", "shirt"),
        "metrics": (("holdout_accuracy", 0.91),),
        "aliases": ("candidate",),
        "publish_time": NOW,
    }
    model = ModelView(name=name, version=number, bundle_sha256="cd" * 32)
    return VersionView(model=model, **(values | facts))


def rollout(rollout_id: str = "rollout-1", **facts: Any) -> RolloutView:
    """A rollout on its way to three devices."""
    values: dict[str, Any] = {
        "model": MODEL,
        "target_labels": (("site", "berlin"),),
        "state": "RUNNING",
        "operator": "ada",
        "create_time": NOW,
        "counts": (("COMMITTED", 2), ("DOWNLOADING", 1)),
    }
    return RolloutView(rollout_id=rollout_id, **(values | facts))

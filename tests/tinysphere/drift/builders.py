"""Records and messages of one plausible drift, to be varied by keyword."""

import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from tinymlops.v1 import adaptation_pb2, device_pb2, drift_pb2, feedback_pb2
from tinysphere.domain.adaptations import Adaptation, AdaptationKind, AdaptationState
from tinysphere.domain.devices import ModelReference
from tinysphere.domain.drift import (
    Decision,
    DriftEvent,
    DriftType,
    Embedding,
    Judgement,
    JudgementChange,
    Neighbour,
    Sample,
    Severity,
    Verdict,
)
from tinysphere.domain.feedback import AdaptationEffect

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SPACE = sha256(b"extractor").hexdigest()
BUNDLE = sha256(b"bundle").hexdigest()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(300 * 1024)
JPEG = b"\xff\xd8\xff\xe0 a small picture"


@dataclass(slots=True)
class HandClock:
    """A clock that each look moves on by a second."""

    present: datetime = START
    steps: Iterator[int] = field(default_factory=count)

    def now(self) -> datetime:
        self.present = START + timedelta(seconds=next(self.steps))
        return self.present


def uuid(number: int) -> str:
    """A UUIDv7 that sorts by its number."""
    return str(UUID(int=number << 80 | 7 << 76 | 2 << 62))


def vector(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def event_record(number: int = 1, **changes: Any) -> DriftEvent:
    facts: dict[str, Any] = {
        "drift_event_id": uuid(number),
        "device_id": "camera-1",
        "model": ModelReference(model_name="fashion", version=1, bundle_sha256=BUNDLE, feature_space=SPACE),
        "detector": "knn_distance.page_hinkley",
        "type": DriftType.KNN_DISTANCE,
        "severity": Severity.HIGH,
        "cause": None,
        "statistic": 31.5,
        "threshold": 30.0,
        "shift_sigma": 2.5,
        "start_time": START,
        "detect_time": START + timedelta(seconds=9),
        "recovery_time": None,
        "start_index": 100,
        "detect_index": 120,
        "recovery_index": None,
        "description": "bag moved",
        "receive_time": START + timedelta(seconds=number),
    }
    return DriftEvent(**{**facts, **changes})


def sample_record(number: int = 1, **changes: Any) -> Sample:
    facts: dict[str, Any] = {
        "sample_id": uuid(1000 + number),
        "device_id": "camera-1",
        "drift_event_id": uuid(1),
        "model": ModelReference(model_name="fashion", version=1, bundle_sha256=BUNDLE, feature_space=SPACE),
        "source_index": 100 + number,
        "capture_time": START + timedelta(seconds=number),
        "predicted_label": "shirt",
        "confidence": 0.6,
        "distance_score": 4.2,
        "embedding": Embedding(values=vector(1.0, -2.0), dimension_count=2, feature_space=SPACE),
        "neighbours": (Neighbour(sample_id="reference/7", label="shirt", distance=1.25),),
        "image": None,
    }
    return Sample(**{**facts, **changes})


def verdict_record(number: int = 1, **changes: Any) -> Verdict:
    facts: dict[str, Any] = {
        "verdict_id": uuid(2000 + number),
        "sample_id": uuid(1000 + number),
        "reviewer": "ann",
        "decision": Decision.NEW_LABEL,
        "label": "bag",
        "confidence": 0.0,
        "note": "",
        "submit_time": START,
    }
    return Verdict(**{**facts, **changes})


def judged(sample: Sample, judgement: Judgement | None, **changes: Any) -> JudgementChange:
    """What the review makes of a sample, and all that stores have to know of it."""
    return JudgementChange(
        sample_id=sample.sample_id,
        device_id=sample.device_id,
        drift_event_id=sample.drift_event_id,
        before=sample.judgement,
        after=judgement,
        **changes,
    )


def timestamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def model_message() -> device_pb2.ModelReference:
    return device_pb2.ModelReference(
        model_name="fashion", version=1, bundle_sha256=BUNDLE, feature_space=SPACE
    )


def event_message(number: int = 1, **changes: Any) -> drift_pb2.DriftEvent:
    facts: dict[str, Any] = {
        "drift_event_id": uuid(number),
        "device_id": "camera-1",
        "model": model_message(),
        "detector": "knn_distance.page_hinkley",
        "type": drift_pb2.DRIFT_TYPE_KNN_DISTANCE,
        "severity": drift_pb2.SEVERITY_HIGH,
        "statistic": 31.5,
        "threshold": 30.0,
        "shift_sigma": 2.5,
        "start_time": timestamp(START),
        "detect_time": timestamp(START + timedelta(seconds=9)),
        "start_index": 100,
        "detect_index": 120,
    }
    return drift_pb2.DriftEvent(**{**facts, **changes})


def recovered_message(number: int = 1, **changes: Any) -> drift_pb2.DriftEvent:
    return event_message(
        number, recovery_time=timestamp(START + timedelta(seconds=60)), recovery_index=300, **changes
    )


def sample_message(number: int = 1, **changes: Any) -> drift_pb2.Sample:
    facts: dict[str, Any] = {
        "sample_id": uuid(1000 + number),
        "device_id": "camera-1",
        "drift_event_id": uuid(1),
        "model": model_message(),
        "source_index": 100 + number,
        "capture_time": timestamp(START + timedelta(seconds=number)),
        "predicted_label": "shirt",
        "confidence": 0.6,
        "distance_score": 4.2,
        "embedding": embedding_message(1.0, -2.0),
        "neighbours": [drift_pb2.Neighbour(sample_id="reference/7", label="shirt", distance=1.25)],
    }
    return drift_pb2.Sample(**{**facts, **changes})


def embedding_message(*values: float, **changes: Any) -> drift_pb2.Embedding:
    facts = {"values": vector(*values), "dimension_count": len(values), "feature_space": SPACE}
    return drift_pb2.Embedding(**{**facts, **changes})


def verdict_message(number: int = 1, **changes: Any) -> drift_pb2.Verdict:
    facts: dict[str, Any] = {
        "verdict_id": uuid(2000 + number),
        "sample_id": uuid(1000 + number),
        "reviewer": "ann",
        "decision": drift_pb2.DECISION_NEW_LABEL,
        "label": "bag",
    }
    return drift_pb2.Verdict(**{**facts, **changes})


def effect_record(number: int = 1, **changes: Any) -> AdaptationEffect:
    facts: dict[str, Any] = {
        "adaptation_id": uuid(9000 + number),
        "judged_accuracy_before": 0.25,
        "judged_accuracy_after": 0.75,
        "judged_sample_count": 8,
        "reference_accuracy_before": 0.9,
        "reference_accuracy_after": 0.875,
        "reference_sample_count": 100,
        "propagated_sample_count": 3,
        "commit_time": START,
        "stream_distance_before": 4.5,
        "stream_distance_after": -0.25,
        "stream_sample_count": 250,
    }
    return AdaptationEffect(**{**facts, **changes})


def adaptation_record(number: int = 1, **changes: Any) -> Adaptation:
    facts: dict[str, Any] = {
        "adaptation_id": uuid(9000 + number),
        "device_id": "camera-1",
        "model": ModelReference(model_name="fashion", version=1, bundle_sha256=BUNDLE, feature_space=SPACE),
        "kind": AdaptationKind.HUMAN_LABELS,
        "state": AdaptationState.COMMITTED,
        "drift_event_id": uuid(1),
        "description": "8 labels of people, 3 samples beside them",
        "reason": "",
        "effect": effect_record(number),
        "sample_ids": (uuid(1001), uuid(1002)),
        "decide_time": START,
        "receive_time": START + timedelta(seconds=number),
    }
    return Adaptation(**{**facts, **changes})


def effect_message(number: int = 1, **changes: Any) -> feedback_pb2.AdaptationEffect:
    facts = {**asdict(effect_record(number)), "commit_time": timestamp(START)}
    return feedback_pb2.AdaptationEffect(**{**facts, **changes})


def adaptation_message(number: int = 1, **changes: Any) -> adaptation_pb2.Adaptation:
    facts: dict[str, Any] = {
        "adaptation_id": uuid(9000 + number),
        "device_id": "camera-1",
        "model": model_message(),
        "kind": adaptation_pb2.ADAPTATION_KIND_HUMAN_LABELS,
        "state": adaptation_pb2.ADAPTATION_STATE_COMMITTED,
        "drift_event_id": uuid(1),
        "description": "8 labels of people, 3 samples beside them",
        "effect": effect_message(number),
        "sample_ids": [uuid(1001), uuid(1002)],
        "decide_time": timestamp(START),
    }
    return adaptation_pb2.Adaptation(**{**facts, **changes})


def applied(feedback_id: str, **changes: Any) -> feedback_pb2.FeedbackAcknowledgement:
    facts: dict[str, Any] = {
        "feedback_id": feedback_id,
        "outcome": feedback_pb2.FEEDBACK_OUTCOME_APPLIED,
        "effect": effect_message(0),
    }
    return feedback_pb2.FeedbackAcknowledgement(**{**facts, **changes})


def answered(feedback_id: str, outcome: int, reason: str) -> feedback_pb2.FeedbackAcknowledgement:
    return feedback_pb2.FeedbackAcknowledgement(feedback_id=feedback_id, outcome=outcome, reason=reason)

"""Every field keeps the limit that the contract states."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.tinysphere.drift.builders import (
    JPEG,
    PNG,
    START,
    answered,
    applied,
    embedding_message,
    event_message,
    sample_message,
    timestamp,
    uuid,
    vector,
    verdict_message,
)
from tinymlops.v1 import device_pb2, drift_pb2, drift_service_pb2, feedback_pb2, feedback_service_pb2
from tinysphere.drift.convert.feedback import read_acknowledgements
from tinysphere.drift.convert.reports import read_events, read_samples
from tinysphere.drift.convert.reviews import read_verdicts
from tinysphere.errors import InvalidFieldError

REJECTED = feedback_pb2.FEEDBACK_OUTCOME_REJECTED
DEFERRED = feedback_pb2.FEEDBACK_OUTCOME_DEFERRED
APPLIED = feedback_pb2.FEEDBACK_OUTCOME_APPLIED


def refused_field(read: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    with pytest.raises(InvalidFieldError) as caught:
        read(*arguments, **options)
    return caught.value.field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"drift_event_id": "1"}, "drift_event_id"),
        ({"drift_event_id": ""}, "drift_event_id"),
        ({"device_id": "Not An Id"}, "device_id"),
        ({"detector": ""}, "detector"),
        ({"detector": "x" * 129}, "detector"),
        ({"type": drift_pb2.DRIFT_TYPE_UNSPECIFIED}, "type"),
        ({"type": 99}, "type"),
        ({"severity": 99}, "severity"),
        ({"statistic": float("nan")}, "statistic"),
        ({"threshold": float("inf")}, "threshold"),
        ({"start_time": None}, "start_time"),
        ({"detect_index": -1}, "detect_index"),
        ({"recovery_index": 5}, "recovery_index"),
        ({"recovery_time": timestamp(START)}, "recovery_index"),
        ({"description": "x" * 1025}, "description"),
        ({"model": device_pb2.ModelReference(feature_space="abc")}, "model.feature_space"),
    ],
)
def test_event_fields_keep_their_limits(changes: dict[str, Any], field: str) -> None:
    events = [event_message(), event_message(2, **changes)]
    request = drift_service_pb2.ReportDriftEventsRequest(drift_events=events)
    assert refused_field(read_events, request, receive_time=START) == f"drift_events[1].{field}"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sample_id": "1"}, "sample_id"),
        ({"sample_id": ""}, "sample_id"),
        ({"device_id": "x"}, "device_id"),
        ({"drift_event_id": "1"}, "drift_event_id"),
        ({"source_index": -1}, "source_index"),
        ({"capture_time": None}, "capture_time"),
        ({"predicted_label": ""}, "predicted_label"),
        ({"predicted_label": "x" * 65}, "predicted_label"),
        ({"confidence": 1.5}, "confidence"),
        ({"distance_score": float("nan")}, "distance_score"),
        ({"embedding": embedding_message()}, "embedding.dimension_count"),
        ({"embedding": embedding_message(1.0, dimension_count=4097)}, "embedding.dimension_count"),
        ({"embedding": embedding_message(1.0, 2.0, values=vector(1.0) + b"xyz")}, "embedding.values"),
        ({"embedding": embedding_message(1.0, float("inf"))}, "embedding.values"),
        ({"embedding": embedding_message(1.0, 2.0, feature_space="d" * 64)}, "embedding.feature_space"),
        ({"embedding": embedding_message(1.0, 2.0, feature_space="no")}, "embedding.feature_space"),
        ({"neighbours": [drift_pb2.Neighbour(sample_id="a", label="b")] * 65}, "neighbours"),
        (
            {"neighbours": [drift_pb2.Neighbour(sample_id="a", label="b", distance=-1)]},
            "neighbours[0].distance",
        ),
        ({"image": JPEG}, "image_format"),
        ({"image_format": drift_pb2.IMAGE_FORMAT_PNG}, "image"),
        ({"image": JPEG, "image_format": drift_pb2.IMAGE_FORMAT_PNG}, "image"),
        ({"image": PNG + bytes(2**20), "image_format": drift_pb2.IMAGE_FORMAT_PNG}, "image"),
    ],
)
def test_sample_fields_keep_their_limits(changes: dict[str, Any], field: str) -> None:
    samples = [sample_message(), sample_message(2, **changes)]
    request = drift_service_pb2.ReportSamplesRequest(samples=samples)
    assert refused_field(read_samples, request) == f"samples[1].{field}"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"verdict_id": "1"}, "verdict_id"),
        ({"sample_id": ""}, "sample_id"),
        ({"reviewer": ""}, "reviewer"),
        ({"reviewer": "x" * 129}, "reviewer"),
        ({"reviewer": "ann\0"}, "reviewer"),
        ({"decision": drift_pb2.DECISION_UNSPECIFIED}, "decision"),
        ({"decision": 77}, "decision"),
        ({"label": ""}, "label"),
        ({"label": "x" * 65}, "label"),
        ({"decision": drift_pb2.DECISION_NOT_DRIFT}, "label"),
        ({"confidence": -0.1}, "confidence"),
        ({"confidence": float("nan")}, "confidence"),
        ({"note": "x" * 1025}, "note"),
    ],
)
def test_verdict_fields_keep_their_limits(changes: dict[str, Any], field: str) -> None:
    verdicts = [verdict_message(), verdict_message(2, **changes)]
    request = drift_service_pb2.SubmitVerdictsRequest(verdicts=verdicts)
    assert refused_field(read_verdicts, request, submit_time=START) == f"verdicts[1].{field}"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (answered(uuid(9), 0, "x"), "outcome"),
        (answered(uuid(9), 9, "x"), "outcome"),
        (answered("", REJECTED, "x"), "feedback_id"),
        (answered(uuid(9), REJECTED, ""), "reason"),
        (answered(uuid(9), DEFERRED, "x" * 1025), "reason"),
        (answered(uuid(9), APPLIED, ""), "effect"),
        (applied(uuid(9), outcome=REJECTED, reason="x"), "effect"),
        (
            applied(uuid(9), effect=feedback_pb2.AdaptationEffect(adaptation_id=uuid(1))),
            "effect.commit_time",
        ),
        (applied(uuid(9), effect=feedback_pb2.AdaptationEffect()), "effect.adaptation_id"),
        (
            applied(
                uuid(9),
                effect=feedback_pb2.AdaptationEffect(adaptation_id=uuid(1), judged_accuracy_after=1.5),
            ),
            "effect.judged_accuracy_after",
        ),
        (
            applied(
                uuid(9),
                effect=feedback_pb2.AdaptationEffect(adaptation_id=uuid(1), propagated_sample_count=-1),
            ),
            "effect.propagated_sample_count",
        ),
    ],
)
def test_answers_keep_their_limits(wrong: feedback_pb2.FeedbackAcknowledgement, field: str) -> None:
    answers = [applied(uuid(8)), wrong]
    request = feedback_service_pb2.AcknowledgeFeedbackRequest(acknowledgements=answers)
    read = read_acknowledgements
    assert refused_field(read, request, acknowledge_time=START) == f"acknowledgements[1].{field}"

"""Records and messages say the same, and what a newer server says never breaks a device."""

from __future__ import annotations

from datetime import UTC

import numpy as np
import pytest

from tests.tinylcm.builders import MODEL, START, drift_event, observation, sample
from tinylcm.errors import InputError
from tinylcm.records import (
    Acknowledgement,
    AdaptationEffect,
    Decision,
    DriftCause,
    DriftType,
    FeedbackOutcome,
    Image,
    Mode,
    Severity,
)
from tinylcm.sync import convert
from tinymlops.v1 import device_pb2, drift_pb2, feedback_pb2

_NEVER_TOLD_DEVICES = {"CANNOT_TELL", "WITHDRAWN"}
"""What one reviewer may say, but no judgement comes to."""


@pytest.mark.parametrize(
    ("members", "wrapper", "prefix"),
    [
        (Mode, device_pb2.Mode, "MODE"),
        (DriftType, drift_pb2.DriftType, "DRIFT_TYPE"),
        (Severity, drift_pb2.Severity, "SEVERITY"),
        (DriftCause, drift_pb2.DriftCause, "DRIFT_CAUSE"),
        (Decision, drift_pb2.Decision, "DECISION"),
        (FeedbackOutcome, feedback_pb2.FeedbackOutcome, "FEEDBACK_OUTCOME"),
    ],
)
def test_enums_are_those_of_the_contract(members, wrapper, prefix) -> None:  # type: ignore[no-untyped-def]  # of six kinds
    names = {name.removeprefix(f"{prefix}_") for name in wrapper.keys()} - {"UNSPECIFIED"}  # noqa: SIM118

    assert {member.name for member in members} == names - _NEVER_TOLD_DEVICES
    for member in members:
        number = convert.to_enum(wrapper, prefix, member)
        assert convert.from_enum(wrapper, prefix, number, members) is member
    assert convert.to_enum(wrapper, prefix, None) == 0
    assert convert.from_enum(wrapper, prefix, 0, members) is None
    assert convert.from_enum(wrapper, prefix, 9999, members) is None


def test_a_drift_event_travels_whole() -> None:
    event = drift_event(recovery_index=90)
    message = convert.to_drift_event(event, "camera-1")

    assert message.drift_event_id == event.drift_event_id
    assert message.device_id == "camera-1"
    assert message.model == device_pb2.ModelReference(
        model_name="tiny", version=1, bundle_sha256="ab" * 32, feature_space="cd" * 32
    )
    assert (message.detector, message.type) == (
        "knn_distance.page_hinkley",
        drift_pb2.DRIFT_TYPE_KNN_DISTANCE,
    )
    assert (message.severity, message.cause) == (drift_pb2.SEVERITY_HIGH, drift_pb2.DRIFT_CAUSE_UNSPECIFIED)
    assert (message.statistic, message.threshold, message.shift_sigma) == (12.0, 10.0, 2.5)
    assert (message.start_index, message.detect_index, message.recovery_index) == (30, 40, 90)
    assert message.start_time.ToDatetime(UTC) == START
    assert message.detect_time.ToDatetime(UTC) == event.detect_time
    assert message.recovery_time.ToDatetime(UTC) == event.recovery_time


def test_a_lasting_drift_has_no_recovery() -> None:
    message = convert.to_drift_event(drift_event(), "camera-1")

    assert not message.HasField("recovery_index")
    assert not message.HasField("recovery_time")


def test_a_sample_travels_whole() -> None:
    seen = sample(5, drift_event_id="event-1", image=Image(format="PNG", content=b"\x89PNG"))
    message = convert.to_sample(seen, "camera-1")

    assert (message.sample_id, message.drift_event_id) == (seen.sample_id, "event-1")
    assert (message.source_index, message.predicted_label) == (5, "row-1")
    assert (message.confidence, message.distance_score) == (0.8, 4.5)
    assert message.capture_time.ToDatetime(UTC) == START
    assert message.embedding.feature_space == MODEL.feature_space
    np.testing.assert_array_equal(convert.from_embedding(message.embedding), seen.observation.embedding)
    assert message.neighbours == [drift_pb2.Neighbour(sample_id="reference/7", label="row-1", distance=0.25)]
    assert (message.image, message.image_format) == (b"\x89PNG", drift_pb2.IMAGE_FORMAT_PNG)
    assert convert.to_sample(sample(5), "camera-1").image_format == drift_pb2.IMAGE_FORMAT_UNSPECIFIED


def test_embeddings_are_little_endian() -> None:
    message = convert.to_embedding(np.array([1.0, -2.0], np.float32), "cd" * 32)

    assert message.values == bytes.fromhex("0000803f000000c0")
    assert message.dimension_count == 2


@pytest.mark.parametrize(
    ("values", "count"),
    [(bytes(8), 3), (bytes(7), 2), (np.array([np.nan], "<f4").tobytes(), 1), (b"", 1)],
)
def test_damaged_embeddings_are_refused(values: bytes, count: int) -> None:
    with pytest.raises(InputError, match="embedding"):
        convert.from_embedding(drift_pb2.Embedding(values=values, dimension_count=count))


def test_a_feedback_item_arrives_whole() -> None:
    message = feedback_pb2.FeedbackItem(
        feedback_id="f-1",
        device_id="camera-1",
        sequence=3,
        sample_id="s-1",
        drift_event_id="e-1",
        decision=drift_pb2.DECISION_NEW_LABEL,
        label="bag",
        embedding=convert.to_embedding(observation().embedding, "cd" * 32),
    )
    item = convert.from_feedback_item(message)

    assert item is not None
    assert (item.feedback_id, item.sequence, item.sample_id, item.drift_event_id) == ("f-1", 3, "s-1", "e-1")
    assert (item.decision, item.label, item.feature_space) == (Decision.NEW_LABEL, "bag", "cd" * 32)
    np.testing.assert_array_equal(item.embedding, observation().embedding)

    message.decision = 77  # type: ignore[assignment]  # from a newer server
    assert convert.from_feedback_item(message) is None


def test_an_acknowledgement_travels_whole() -> None:
    effect = AdaptationEffect(
        adaptation_id="a-1",
        judged_accuracy_before=0.1,
        judged_accuracy_after=0.9,
        judged_sample_count=20,
        reference_accuracy_before=0.8,
        reference_accuracy_after=0.79,
        reference_sample_count=100,
        propagated_sample_count=4,
        commit_time=START,
    )
    message = convert.to_acknowledgement(
        Acknowledgement(feedback_id="f-1", outcome=FeedbackOutcome.APPLIED, effect=effect)
    )

    assert (message.feedback_id, message.outcome) == ("f-1", feedback_pb2.FEEDBACK_OUTCOME_APPLIED)
    for name in effect.__slots__:
        expected = getattr(effect, name)
        told = getattr(message.effect, name)
        assert (told.ToDatetime(UTC) if name == "commit_time" else told) == expected

    refused = Acknowledgement(feedback_id="f-2", outcome=FeedbackOutcome.REJECTED, reason="r" * 2000)
    message = convert.to_acknowledgement(refused)
    assert len(message.reason) == 1024
    assert not message.HasField("effect")

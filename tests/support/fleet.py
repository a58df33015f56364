"""A small fleet that tells the server what devices tell it, and learns from the judgements as a device would."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
import numpy as np

from tests.support import evidence
from tests.support.evidence import stable_id
from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.records import FloatVector
from tinymlops.v1 import (
    adaptation_pb2,
    adaptation_service_pb2,
    adaptation_service_pb2_grpc,
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    drift_pb2,
    drift_service_pb2,
    drift_service_pb2_grpc,
    feedback_pb2,
    feedback_service_pb2,
    feedback_service_pb2_grpc,
)

TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One device: where it is, how it does, and what it met; nothing met, no event."""

    device_id: str
    display_name: str
    location: tuple[float, float]
    counters: Mapping[str, int]
    status: Mapping[str, float]
    severity: str = ""
    cause: str = ""
    shift_sigma: float = 0.0
    description: str = ""
    class_counts: Mapping[str, int] | None = None
    with_images: bool = True

    @property
    def drift_event_id(self) -> str:
        """Id of what it met."""
        return stable_id(self.device_id, "event")


STORIES = (
    Story(
        device_id="camera-1",
        display_name="Berlin, gate 1",
        location=(52.52, 13.40),
        counters={"prediction_count": 4_812, "drift_event_count": 1},
        status={"quarantine_count": 52, "latency_ms": 2.4, "memory_bytes": 76 << 20},
        severity="HIGH",
        cause="NOVELTY",
        shift_sigma=3.2,
        description="Half of the samples lie far from all known classes; most were taken for pullover or coat.",
        class_counts={"bag": 30, "coat": 6, "dress": 6, "pullover": 6, "sandal": 6, "shirt": 6},
    ),
    Story(
        device_id="camera-2",
        display_name="Hamburg, gate 2",
        location=(53.55, 9.99),
        counters={"prediction_count": 3_977, "drift_event_count": 1},
        status={"quarantine_count": 31, "outbox_count": 1, "latency_ms": 2.6, "memory_bytes": 75 << 20},
        severity="CRITICAL",
        cause="NOVELTY",
        shift_sigma=4.6,
        description="Two of three samples lie far from all known classes.",
        class_counts={"bag": 20, "t-shirt": 5, "ankle-boot": 5},
    ),
    Story(
        device_id="sensor-3",
        display_name="Dresden, line 4",
        location=(51.05, 13.74),
        counters={"prediction_count": 9_120, "drift_event_count": 1, "adaptation_count": 2},
        status={"quarantine_count": 12, "latency_ms": 3.1, "memory_bytes": 81 << 20},
        severity="MEDIUM",
        cause="COVARIATE_SHIFT",
        shift_sigma=1.4,
        description="All classes moved by about the same distance.",
        class_counts={"shirt": 6, "coat": 6},
        with_images=False,
    ),
    Story(
        device_id="camera-4",
        display_name="Munich, hall B",
        location=(48.14, 11.58),
        counters={"prediction_count": 12_440, "adaptation_count": 1},
        status={"latency_ms": 2.2, "memory_bytes": 74 << 20},
    ),
)


class Fleet:
    """Speaks for every device of `STORIES`.

    Args:
        ingestion_target: Address of the ingestion service.
        drift_target: Address of the drift service.
    """

    def __init__(self, ingestion_target: str, drift_target: str) -> None:
        ingestion, drift = (grpc.insecure_channel(target) for target in (ingestion_target, drift_target))
        self._devices = device_service_pb2_grpc.DeviceServiceStub(ingestion)
        self.drift = drift_service_pb2_grpc.DriftServiceStub(drift)
        self._feedback = feedback_service_pb2_grpc.FeedbackServiceStub(drift)
        self._adaptations = adaptation_service_pb2_grpc.AdaptationServiceStub(drift)
        self._adaptation_counts: Counter[str] = Counter()
        self._beats: Counter[str] = Counter()
        self.truth: dict[str, str] = {}

    def report(self, stories: tuple[Story, ...] = STORIES) -> None:
        """Registers the devices and sends what they met."""
        for story in stories:
            self._register(story)
            if story.class_counts:
                self._send_evidence(story, story.class_counts)

    def answer(self, story: Story) -> feedback_pb2.AdaptationEffect:
        """Learns every judgement that waits for a device, and acknowledges it with the effect measured."""
        fetch = feedback_service_pb2.FetchFeedbackRequest(device_id=story.device_id, page_size=500)
        items = list(self._feedback.FetchFeedback(fetch, timeout=TIMEOUT_S).items)
        assert items, f"no judgement waits for {story.device_id}"
        effect = _learn(items)
        answers = [
            feedback_pb2.FeedbackAcknowledgement(
                feedback_id=item.feedback_id, outcome=feedback_pb2.FEEDBACK_OUTCOME_APPLIED, effect=effect
            )
            for item in items
        ]
        request = feedback_service_pb2.AcknowledgeFeedbackRequest(
            device_id=story.device_id, acknowledgements=answers
        )
        self._feedback.AcknowledgeFeedback(request, timeout=TIMEOUT_S)
        self._adaptation_counts[story.device_id] += 1
        self._tell_lineage(story, items, effect)
        self._beat(story)
        return effect

    def verdicts(self, drift_event_id: str) -> list[drift_pb2.Verdict]:
        """Every verdict on the samples of an event, oldest first."""
        request = drift_service_pb2.ListVerdictsRequest(drift_event_id=drift_event_id, page_size=500)
        return list(self.drift.ListVerdicts(request, timeout=TIMEOUT_S).verdicts)

    def _tell_lineage(
        self, story: Story, items: list[feedback_pb2.FeedbackItem], effect: feedback_pb2.AdaptationEffect
    ) -> None:
        adaptation = adaptation_pb2.Adaptation(
            adaptation_id=effect.adaptation_id,
            device_id=story.device_id,
            kind=adaptation_pb2.ADAPTATION_KIND_HUMAN_LABELS,
            state=adaptation_pb2.ADAPTATION_STATE_COMMITTED,
            drift_event_id=story.drift_event_id,
            description=f"{len(items)} samples that people judged",
            effect=effect,
            sample_ids=[item.sample_id for item in items],
            decide_time=effect.commit_time,
        )
        request = adaptation_service_pb2.ReportAdaptationsRequest(adaptations=[adaptation])
        self._adaptations.ReportAdaptations(request, timeout=TIMEOUT_S)

    def _register(self, story: Story) -> None:
        north, east = story.location
        device = device_pb2.Device(
            device_id=story.device_id,
            display_name=story.display_name,
            platform=device_pb2.Platform(machine="aarch64", runtime=evidence.classifier().extractor.runtime),
            location=device_pb2.Location(latitude_deg=north, longitude_deg=east),
            mode=device_pb2.MODE_VALIDATED_LEARNING,
        )
        self._devices.RegisterDevice(
            device_service_pb2.RegisterDeviceRequest(device=device), timeout=TIMEOUT_S
        )
        self._beat(story)

    def _beat(self, story: Story) -> None:
        self._beats[story.device_id] += 1
        counters = device_pb2.DeviceCounters(**story.counters)
        counters.adaptation_count += self._adaptation_counts[story.device_id]
        heartbeat = device_service_pb2.HeartbeatRequest(
            device_id=story.device_id,
            boot_id=stable_id(story.device_id, "boot"),
            sequence=self._beats[story.device_id],
            counters=counters,
            status=device_pb2.DeviceStatus(
                running_model=evidence.classifier().model,
                drifting=bool(story.class_counts) and story.cause == "NOVELTY",
                **story.status,  # type: ignore[arg-type]  # counts and measures in one mapping
            ),
        )
        heartbeat.device_time.GetCurrentTime()
        self._devices.Heartbeat(heartbeat, timeout=TIMEOUT_S)

    def _send_evidence(self, story: Story, class_counts: Mapping[str, int]) -> None:
        event = _event(story)
        self.drift.ReportDriftEvents(
            drift_service_pb2.ReportDriftEventsRequest(drift_events=[event]), timeout=TIMEOUT_S
        )
        samples, truth = evidence.samples(event, class_counts, with_images=story.with_images)
        self.truth |= truth
        self.drift.ReportSamples(drift_service_pb2.ReportSamplesRequest(samples=samples), timeout=TIMEOUT_S)


def _event(story: Story) -> drift_pb2.DriftEvent:
    now = datetime.now(UTC)
    event = drift_pb2.DriftEvent(
        drift_event_id=story.drift_event_id,
        device_id=story.device_id,
        model=evidence.classifier().model,
        detector="knn_distance.page_hinkley",
        type=drift_pb2.DRIFT_TYPE_KNN_DISTANCE,
        severity=drift_pb2.Severity.Value(f"SEVERITY_{story.severity}"),
        cause=drift_pb2.DriftCause.Value(f"DRIFT_CAUSE_{story.cause}"),
        statistic=10 * story.shift_sigma,
        threshold=12.5,
        shift_sigma=story.shift_sigma,
        start_index=812,
        detect_index=861,
        description=story.description,
    )
    event.start_time.FromDatetime(now - timedelta(minutes=12))
    event.detect_time.FromDatetime(now - timedelta(minutes=9))
    return event


def _learn(items: list[feedback_pb2.FeedbackItem]) -> feedback_pb2.AdaptationEffect:
    """Adds the judged samples to a copy of the classifier and measures both as the contract says."""
    known = evidence.classifier()
    points = {
        item.sample_id: (known.transform.apply(np.frombuffer(item.embedding.values, "<f4")), item.label)
        for item in items
        if item.label
    }
    before, after = known.neighbours, known.neighbours.copy()
    for sample_id, (point, label) in points.items():
        after.add(point, label, sample_id, trusted=True)
    effect = feedback_pb2.AdaptationEffect(
        adaptation_id=str(uuid.uuid4()),
        judged_accuracy_before=_accuracy(before, points),
        judged_accuracy_after=_accuracy(after, points),
        judged_sample_count=len(points),
        reference_accuracy_before=_reference_accuracy(before),
        reference_accuracy_after=_reference_accuracy(after),
        reference_sample_count=len(before),
    )
    effect.commit_time.GetCurrentTime()
    return effect


def _accuracy(knn: LightweightKNN, points: Mapping[str, tuple[FloatVector, str]]) -> float:
    """Share of the points classified right, none of them by itself."""
    right = [
        knn.predict(point, excluding=(sample_id,)).label == label
        for sample_id, (point, label) in points.items()
    ]
    return sum(right) / len(right)


def _reference_accuracy(knn: LightweightKNN) -> float:
    true, predicted, _ = knn.leave_one_out()
    reference = [sample_id.startswith("reference/") for sample_id in knn.sample_ids]
    return float(np.mean((true == predicted)[reference]))

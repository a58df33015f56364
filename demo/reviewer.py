"""A scripted reviewer: gives true labels through the same calls a click in the Drift Hub makes."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Mapping, Set

import grpc

from tinymlops.v1 import drift_pb2, drift_service_pb2, drift_service_pb2_grpc

NAME = "scripted-reviewer"
TIMEOUT_S = 10.0
LOOK_S = 1.5
SETTLED_LOOKS = 2
ABANDONED_LOOKS = 20
"""An event is judged once nothing new of it came for so many looks; a person would not start at once either."""


class ScriptedReviewer:
    """Judges every open sample of every open event, at most `label_budget` of each device.

    `truth` maps a device id to the true class names of its stream by source index; `known_classes` are those the
    model was made with.
    """

    def __init__(
        self,
        drift: drift_service_pb2_grpc.DriftServiceStub,
        *,
        truth: Mapping[str, tuple[str, ...]],
        known_classes: Set[str],
        label_budget: int,
    ) -> None:
        self._drift = drift
        self._truth = truth
        self._known_classes = known_classes
        self._label_budget = label_budget
        self._seen: dict[str, tuple[tuple[int, int], int]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reviewer", daemon=True)
        self.label_counts: Counter[str] = Counter()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self._look()
            except grpc.RpcError:
                continue  # the server is away: a person would wait and reload

    def _look(self) -> None:
        states = (drift_pb2.DRIFT_EVENT_STATE_OPEN, drift_pb2.DRIFT_EVENT_STATE_IN_REVIEW)
        request = drift_service_pb2.ListDriftEventsRequest(page_size=500, states=states)
        for event in self._drift.ListDriftEvents(request, timeout=TIMEOUT_S).drift_events:
            if self._has_settled(event):
                self._review(event)

    def _has_settled(self, event: drift_pb2.DriftEvent) -> bool:
        """Whether nothing new of an event came for a while; one without samples is given more time."""
        progress = (event.sample_count, event.judged_sample_count)
        last, looks = self._seen.get(event.drift_event_id, (progress, 0))
        looks = looks + 1 if last == progress else 0
        self._seen[event.drift_event_id] = (progress, looks)
        return looks >= (SETTLED_LOOKS if event.sample_count else ABANDONED_LOOKS)

    def _review(self, event: drift_pb2.DriftEvent) -> None:
        """Judges what may still be judged; an event that nothing more will be learnt from is closed by hand."""
        left = self._label_budget - self.label_counts[event.device_id]
        request = drift_service_pb2.ListSamplesRequest(
            drift_event_id=event.drift_event_id, state=drift_pb2.SAMPLE_STATE_OPEN, page_size=500
        )
        samples = self._drift.ListSamples(request, timeout=TIMEOUT_S).samples
        if samples and left:
            verdicts = [self._judge(sample) for sample in samples[:left]]
            request_verdicts = drift_service_pb2.SubmitVerdictsRequest(verdicts=verdicts)
            self._drift.SubmitVerdicts(request_verdicts, timeout=TIMEOUT_S)
            self.label_counts[event.device_id] += len(verdicts)
        elif event.feedback_count == event.acknowledged_feedback_count:
            reason = "the label budget of the device is used" if samples else "no samples came"
            self._drift.ResolveDriftEvent(
                drift_service_pb2.ResolveDriftEventRequest(
                    drift_event_id=event.drift_event_id, reviewer=NAME, reason=reason
                ),
                timeout=TIMEOUT_S,
            )

    def _judge(self, sample: drift_pb2.Sample) -> drift_pb2.Verdict:
        label = self._truth[sample.device_id][sample.source_index]
        # The id is derived from the sample, so that a submission whose answer was lost may be repeated.
        verdict = drift_pb2.Verdict(
            verdict_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAME}/{sample.sample_id}")),
            sample_id=sample.sample_id,
            reviewer=NAME,
            confidence=1.0,
        )
        if label not in self._known_classes:
            verdict.decision, verdict.label = drift_pb2.DECISION_NEW_LABEL, label
        elif label == sample.predicted_label:
            verdict.decision = drift_pb2.DECISION_NOT_DRIFT
        else:
            verdict.decision, verdict.label = drift_pb2.DECISION_CONFIRMED_LABEL, label
        return verdict

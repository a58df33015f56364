"""The one place of the dashboard that knows gRPC: calls in, view records out."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from datetime import datetime

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from tinyboard.client import convert, convert_review
from tinyboard.client.calls import MAX_ROWS, PAGE_SIZE, TIMEOUT_S, Calls
from tinyboard.client.distribution import GrpcDistribution
from tinyboard.client.groups import GrpcGroups
from tinyboard.client.notifications import GrpcNotifications
from tinyboard.client.ports import ANY_EVENT
from tinyboard.client.reviewing import GrpcReviewing
from tinyboard.client.telemetry import TelemetryHub
from tinyboard.views.drift_records import BacklogView, BudgetView, CountView, EventFilter
from tinyboard.views.records import (
    AdaptationView,
    DeviceView,
    EventView,
    FeedbackView,
    PackageView,
    SampleView,
    TransitionView,
    VerdictView,
)
from tinymlops.v1 import (
    adaptation_service_pb2,
    adaptation_service_pb2_grpc,
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    drift_pb2,
    drift_service_pb2,
    drift_service_pb2_grpc,
    feedback_service_pb2,
    feedback_service_pb2_grpc,
    ingestion_service_pb2,
    ingestion_service_pb2_grpc,
    package_pb2,
)

CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),  # a person who restarts the server does not wait two minutes
)


class GrpcHub(TelemetryHub):
    """The real hub. Raises `HubError` from every method.

    Args:
        ingestion_target: Address of the ingestion service, e.g. "127.0.0.1:7101".
        drift_target: Address of the drift service.
        distribution_target: Address of the distribution service.
    """

    def __init__(self, ingestion_target: str, drift_target: str, distribution_target: str) -> None:
        targets = {
            "ingestion": ingestion_target,
            "drift": drift_target,
            "distribution": distribution_target,
        }
        self._calls = Calls(targets)
        ingestion, drift, distribution = (
            grpc.insecure_channel(target, options=CHANNEL_OPTIONS) for target in targets.values()
        )
        super().__init__(self._calls, ingestion)
        self.reviewing = GrpcReviewing(self._calls, drift)
        self.groups = GrpcGroups(self._calls, drift)
        self.notifications = GrpcNotifications(self._calls, drift)
        self.distribution = GrpcDistribution(self._calls, distribution)
        self._devices = device_service_pb2_grpc.DeviceServiceStub(ingestion)
        self._packages = ingestion_service_pb2_grpc.IngestionServiceStub(ingestion)
        self._drift = drift_service_pb2_grpc.DriftServiceStub(drift)
        self._feedback = feedback_service_pb2_grpc.FeedbackServiceStub(drift)
        self._adaptations = adaptation_service_pb2_grpc.AdaptationServiceStub(drift)

    def devices(self) -> tuple[DeviceView, ...]:
        """All devices in the order of their ids."""
        request = device_service_pb2.ListDevicesRequest(page_size=PAGE_SIZE)
        return tuple(
            map(convert.device_view, self._calls.pages(self._devices.ListDevices, request, "devices"))
        )

    def change_mode(self, device_id: str, mode: str) -> None:
        """Decides what a device may do by itself; it learns of that with its next heartbeat."""
        wanted = device_pb2.Device(device_id=device_id, mode=device_pb2.Mode.Value(f"MODE_{mode}"))
        request = device_service_pb2.UpdateDeviceRequest(device=wanted, update_mask=FieldMask(paths=["mode"]))
        self._calls.one(self._devices.UpdateDevice, request)

    def adaptations(
        self, *, drift_event_id: str = "", device_id: str = "", limit: int = MAX_ROWS
    ) -> tuple[AdaptationView, ...]:
        """The newest `limit` adaptations of one event or device, newest first."""
        request = adaptation_service_pb2.ListAdaptationsRequest(
            page_size=min(limit, PAGE_SIZE), drift_event_id=drift_event_id, device_id=device_id
        )
        rows = self._calls.pages(self._adaptations.ListAdaptations, request, "adaptations", limit)
        return tuple(map(convert.adaptation_view, rows))

    def events(self, wanted: EventFilter = ANY_EVENT, *, limit: int = MAX_ROWS) -> tuple[EventView, ...]:
        """The newest `limit` drift events that are wanted, newest first."""
        request = drift_service_pb2.ListDriftEventsRequest(
            page_size=min(limit, PAGE_SIZE),
            device_id=wanted.device_id,
            states=[drift_pb2.DriftEventState.Value(f"DRIFT_EVENT_STATE_{state}") for state in wanted.states],
            type=drift_pb2.DriftType.Value(f"DRIFT_TYPE_{wanted.type or 'UNSPECIFIED'}"),
            minimum_severity=drift_pb2.Severity.Value(f"SEVERITY_{wanted.minimum_severity or 'UNSPECIFIED'}"),
            scope=drift_pb2.DriftScope.Value(f"DRIFT_SCOPE_{wanted.scope or 'UNSPECIFIED'}"),
            after_time=convert.stamp(wanted.after_time) if wanted.after_time else None,
            before_time=convert.stamp(wanted.before_time) if wanted.before_time else None,
        )
        rows = self._calls.pages(self._drift.ListDriftEvents, request, "drift_events", limit)
        return tuple(map(convert.event_view, rows))

    def event(self, drift_event_id: str) -> tuple[EventView, tuple[TransitionView, ...]]:
        """One drift event and its history, oldest change first."""
        request = drift_service_pb2.GetDriftEventRequest(drift_event_id=drift_event_id)
        response = self._calls.one(self._drift.GetDriftEvent, request)
        return convert.event_view(response.drift_event), tuple(
            map(convert.transition_view, response.transitions)
        )

    def budget(self, drift_event_id: str) -> BudgetView:
        """How many verdicts an event still needs."""
        request = drift_service_pb2.GetDriftEventRequest(drift_event_id=drift_event_id)
        return convert_review.budget_view(self._calls.one(self._drift.GetDriftEvent, request).label_budget)

    def statistics(
        self, dimensions: Sequence[str], *, device_id: str = "", after_time: datetime | None = None
    ) -> tuple[CountView, ...]:
        """Numbers of events by `dimensions`, those with most events first."""
        request = drift_service_pb2.GetDriftStatisticsRequest(
            device_id=device_id,
            after_time=convert.stamp(after_time) if after_time else None,
            dimensions=[
                drift_service_pb2.DriftDimension.Value(f"DRIFT_DIMENSION_{name}") for name in dimensions
            ],
        )
        answer = self._calls.one(self._drift.GetDriftStatistics, request)
        return tuple(map(convert_review.count_view, answer.counts))

    def samples(
        self,
        *,
        drift_event_id: str = "",
        device_id: str = "",
        group_id: str = "",
        state: str = "",
        limit: int = MAX_ROWS,
    ) -> tuple[SampleView, ...]:
        """The oldest `limit` samples of one event, device or group, oldest first."""
        request = drift_service_pb2.ListSamplesRequest(
            page_size=min(limit, PAGE_SIZE),
            drift_event_id=drift_event_id,
            device_id=device_id,
            group_id=group_id,
            state=drift_pb2.SampleState.Value(f"SAMPLE_STATE_{state or 'UNSPECIFIED'}"),
        )
        rows = self._calls.pages(self._drift.ListSamples, request, "samples", limit)
        return tuple(map(convert.sample_view, rows))

    def image(self, sample_id: str) -> bytes:
        """The encoded picture of one sample."""
        request = drift_service_pb2.GetSampleContentRequest(sample_id=sample_id)
        with self._calls.explained():
            return b"".join(piece.data for piece in self._drift.GetSampleContent(request, timeout=TIMEOUT_S))

    def judge(self, verdicts: Sequence[VerdictView]) -> tuple[SampleView, ...]:
        """Submits verdicts, all or none, and returns their samples as they are then.

        Repeating the same judgement is harmless: its id is derived.
        """
        messages = [
            drift_pb2.Verdict(
                verdict_id=_verdict_id(verdict),
                sample_id=verdict.sample_id,
                reviewer=verdict.reviewer,
                decision=drift_pb2.Decision.Value(f"DECISION_{verdict.decision}"),
                label=verdict.label if verdict.decision in ("CONFIRMED_LABEL", "NEW_LABEL") else "",
                note=verdict.note,
            )
            for verdict in verdicts
        ]
        request = drift_service_pb2.SubmitVerdictsRequest(verdicts=messages)
        return tuple(map(convert.sample_view, self._calls.one(self._drift.SubmitVerdicts, request).samples))

    def feedback(self, *, drift_event_id: str = "", device_id: str = "") -> tuple[FeedbackView, ...]:
        """Feedback items of one event or device, newest first."""
        request = feedback_service_pb2.ListFeedbackRequest(
            page_size=PAGE_SIZE, drift_event_id=drift_event_id, device_id=device_id
        )
        return tuple(
            map(convert.feedback_view, self._calls.pages(self._feedback.ListFeedback, request, "items"))
        )

    def backlogs(self) -> tuple[BacklogView, ...]:
        """How feedback fares on each device, the oldest that waits first."""
        request = feedback_service_pb2.ListFeedbackBacklogsRequest(page_size=PAGE_SIZE)
        rows = self._calls.pages(self._feedback.ListFeedbackBacklogs, request, "backlogs")
        return tuple(map(convert_review.backlog_view, rows))

    def resolve(self, drift_event_id: str, *, reviewer: str, reason: str) -> None:
        """Closes an event by hand."""
        request = drift_service_pb2.ResolveDriftEventRequest(
            drift_event_id=drift_event_id, reviewer=reviewer, reason=reason
        )
        self._calls.one(self._drift.ResolveDriftEvent, request)

    def reopen(self, drift_event_id: str, *, reviewer: str, reason: str) -> None:
        """Opens a resolved event again."""
        request = drift_service_pb2.ReopenDriftEventRequest(
            drift_event_id=drift_event_id, reviewer=reviewer, reason=reason
        )
        self._calls.one(self._drift.ReopenDriftEvent, request)

    def packages(
        self, *, state: str = "", device_id: str = "", limit: int = MAX_ROWS
    ) -> tuple[PackageView, ...]:
        """The newest `limit` packages, newest first; `state` and `device_id` narrow them."""
        request = ingestion_service_pb2.ListPackagesRequest(
            page_size=min(limit, PAGE_SIZE),
            device_id=device_id,
            state=package_pb2.PackageState.Value(f"PACKAGE_STATE_{state or 'UNSPECIFIED'}"),
        )
        rows = self._calls.pages(self._packages.ListPackages, request, "packages", limit)
        return tuple(map(convert.package_view, rows))

    def retry(self, package_id: str) -> None:
        """Has the failed steps of a package processed again."""
        request = ingestion_service_pb2.RetryPackageRequest(package_id=package_id)
        self._calls.one(self._packages.RetryPackage, request)


def connect() -> GrpcHub:
    """The hub that the environment names; loopback by default."""
    return GrpcHub(
        os.environ.get("TINYBOARD_INGESTION_TARGET", "127.0.0.1:7101"),
        os.environ.get("TINYBOARD_DRIFT_TARGET", "127.0.0.1:7102"),
        os.environ.get("TINYBOARD_DISTRIBUTION_TARGET", "127.0.0.1:7103"),
    )


def _verdict_id(verdict: VerdictView) -> str:
    """Same judgement, same id: a click whose answer was lost may be repeated."""
    parts = (verdict.reviewer, verdict.sample_id, verdict.decision, verdict.label, verdict.note)
    content = "/".join((*parts, verdict.occasion))
    return str(uuid.uuid5(uuid.NAMESPACE_URL, content))

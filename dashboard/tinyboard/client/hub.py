"""The one place of the dashboard that knows gRPC: calls in, view records out."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from tinyboard.client import convert
from tinyboard.client.calls import MAX_ROWS, PAGE_SIZE, TIMEOUT_S, Calls
from tinyboard.client.telemetry import TelemetryHub
from tinyboard.views.records import (
    AdaptationView,
    DeviceView,
    EventView,
    FeedbackView,
    LogView,
    PackageView,
    SampleView,
    SeriesView,
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

SAMPLES_PAGE_SIZE = 100
"""A sample carries up to 16 KiB of embedding, and gRPC takes 4 MiB at once."""
CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),  # a person who restarts the server does not wait two minutes
)


class Hub(Protocol):
    """What the screens may ask and do."""

    def devices(self) -> tuple[DeviceView, ...]: ...
    def change_mode(self, device_id: str, mode: str) -> None: ...
    def adaptations(
        self, *, drift_event_id: str = "", device_id: str = "", limit: int = MAX_ROWS
    ) -> tuple[AdaptationView, ...]: ...
    def events(
        self, *, states: Sequence[str] = (), device_id: str = "", limit: int = MAX_ROWS
    ) -> tuple[EventView, ...]: ...
    def event(self, drift_event_id: str) -> tuple[EventView, tuple[TransitionView, ...]]: ...
    def samples(self, drift_event_id: str) -> tuple[SampleView, ...]: ...
    def image(self, sample_id: str) -> bytes: ...
    def judge(self, verdicts: Sequence[VerdictView]) -> tuple[SampleView, ...]: ...
    def feedback(self, *, drift_event_id: str = "", device_id: str = "") -> tuple[FeedbackView, ...]: ...
    def resolve(self, drift_event_id: str, *, reviewer: str, reason: str) -> None: ...
    def reopen(self, drift_event_id: str, *, reviewer: str, reason: str) -> None: ...
    def packages(
        self, *, state: str = "", device_id: str = "", limit: int = MAX_ROWS
    ) -> tuple[PackageView, ...]: ...
    def retry(self, package_id: str) -> None: ...
    def metric_names(self, device_id: str) -> tuple[str, ...]: ...
    def series(
        self, device_id: str, name: str, *, start_time: datetime, end_time: datetime, step: timedelta
    ) -> SeriesView: ...
    def logs(
        self, *, device_id: str = "", minimum_level: str = "", text: str = "", limit: int = MAX_ROWS
    ) -> tuple[LogView, ...]: ...


class GrpcHub(TelemetryHub):
    """The real hub. Raises `HubError` from every method.

    Args:
        ingestion_target: Address of the ingestion service, e.g. "127.0.0.1:7101".
        drift_target: Address of the drift service.
    """

    def __init__(self, ingestion_target: str, drift_target: str) -> None:
        targets = {"ingestion": ingestion_target, "drift": drift_target}
        self._calls = Calls(targets)
        ingestion, drift = (
            grpc.insecure_channel(target, options=CHANNEL_OPTIONS) for target in targets.values()
        )
        super().__init__(self._calls, ingestion)
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

    def events(
        self, *, states: Sequence[str] = (), device_id: str = "", limit: int = MAX_ROWS
    ) -> tuple[EventView, ...]:
        """The newest `limit` drift events, newest first; `states` and `device_id` narrow them."""
        request = drift_service_pb2.ListDriftEventsRequest(
            page_size=min(limit, PAGE_SIZE),
            device_id=device_id,
            states=[drift_pb2.DriftEventState.Value(f"DRIFT_EVENT_STATE_{state}") for state in states],
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

    def samples(self, drift_event_id: str) -> tuple[SampleView, ...]:
        """The samples of one event, oldest first."""
        request = drift_service_pb2.ListSamplesRequest(
            page_size=SAMPLES_PAGE_SIZE, drift_event_id=drift_event_id
        )
        return tuple(map(convert.sample_view, self._calls.pages(self._drift.ListSamples, request, "samples")))

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
    )


def _verdict_id(verdict: VerdictView) -> str:
    """Same judgement, same id: a click whose answer was lost may be repeated."""
    content = "/".join((verdict.reviewer, verdict.sample_id, verdict.decision, verdict.label, verdict.note))
    return str(uuid.uuid5(uuid.NAMESPACE_URL, content))

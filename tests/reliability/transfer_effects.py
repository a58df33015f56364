"""Everything that messages of a device may change at the server, read through the contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tests.tinysphere.ingestion.builders import DEVICE_ID, TIME, metric_point
from tinymlops.v1 import (
    adaptation_service_pb2,
    adaptation_service_pb2_grpc,
    device_service_pb2,
    device_service_pb2_grpc,
    drift_service_pb2,
    drift_service_pb2_grpc,
    feedback_service_pb2,
    feedback_service_pb2_grpc,
    ingestion_service_pb2,
    ingestion_service_pb2_grpc,
    telemetry_pb2,
    telemetry_service_pb2,
    telemetry_service_pb2_grpc,
)

Effect = dict[str, Any]

_TIMEOUT_S = 30
_OF_CONTACT = {"lastContactTime", "connectivity"}
_OF_ARRIVAL = _OF_CONTACT | {
    "registerTime",
    "receiveTime",
    "commitTime",
    "processTime",
    "createTime",
    "acknowledgeTime",
    "submitTime",
    "changeTime",
    "feedbackId",
    "sequence",
    "attemptCount",
}
"""What depends on when and in which order something arrived, or is an id the server makes."""


class Stubs:
    """Stubs of the services that devices and reviewers speak to."""

    def __init__(self, ingestion: grpc.Channel, drift: grpc.Channel) -> None:
        self.devices = device_service_pb2_grpc.DeviceServiceStub(ingestion)
        self.packages = ingestion_service_pb2_grpc.IngestionServiceStub(ingestion)
        self.telemetry = telemetry_service_pb2_grpc.TelemetryServiceStub(ingestion)
        self.drift = drift_service_pb2_grpc.DriftServiceStub(drift)
        self.feedback = feedback_service_pb2_grpc.FeedbackServiceStub(drift)
        self.adaptations = adaptation_service_pb2_grpc.AdaptationServiceStub(drift)


def read_effect(stubs: Stubs, *, in_any_order: bool) -> Effect:
    """The whole effect; without what depends on times and order of arrival, when asked."""
    dropped = _OF_ARRIVAL if in_any_order else _OF_CONTACT
    effect = {name: [_plain(one, dropped) for one in found] for name, found in _messages(stubs)}
    if in_any_order:
        effect.pop("transitions")
        effect = {name: sorted(found, key=str) for name, found in effect.items()}
    return effect


def _messages(stubs: Stubs) -> Iterator[tuple[str, list[Message]]]:
    device = device_service_pb2.GetDeviceRequest(device_id=DEVICE_ID)
    yield "device", [stubs.devices.GetDevice(device, timeout=_TIMEOUT_S).device]
    packages = ingestion_service_pb2.ListPackagesRequest(device_id=DEVICE_ID)
    yield "packages", list(stubs.packages.ListPackages(packages, timeout=_TIMEOUT_S).packages)
    metrics = telemetry_service_pb2.QueryMetricsRequest(
        name=metric_point().name,
        device_ids=[DEVICE_ID],
        start_time=Timestamp(seconds=TIME.seconds - 3600),
        end_time=Timestamp(seconds=TIME.seconds + 3600),
        step=Duration(seconds=3600),
        aggregation=telemetry_pb2.METRIC_AGGREGATION_COUNT,
    )
    yield "metrics", list(stubs.telemetry.QueryMetrics(metrics, timeout=_TIMEOUT_S).series)
    logs = telemetry_service_pb2.SearchLogsRequest(device_id=DEVICE_ID)
    yield "logs", [stubs.telemetry.SearchLogs(logs, timeout=_TIMEOUT_S)]
    listed = drift_service_pb2.ListDriftEventsRequest(device_id=DEVICE_ID)
    events = list(stubs.drift.ListDriftEvents(listed, timeout=_TIMEOUT_S).drift_events)
    yield "events", list(events)
    wanted = [drift_service_pb2.GetDriftEventRequest(drift_event_id=one.drift_event_id) for one in events]
    yield "transitions", [stubs.drift.GetDriftEvent(one, timeout=_TIMEOUT_S) for one in wanted]
    samples = drift_service_pb2.ListSamplesRequest(device_id=DEVICE_ID)
    yield "samples", list(stubs.drift.ListSamples(samples, timeout=_TIMEOUT_S).samples)
    verdicts = drift_service_pb2.ListVerdictsRequest()
    yield "verdicts", list(stubs.drift.ListVerdicts(verdicts, timeout=_TIMEOUT_S).verdicts)
    feedback = feedback_service_pb2.ListFeedbackRequest(device_id=DEVICE_ID)
    yield "feedback", list(stubs.feedback.ListFeedback(feedback, timeout=_TIMEOUT_S).items)
    adaptations = adaptation_service_pb2.ListAdaptationsRequest(device_id=DEVICE_ID)
    yield "adaptations", list(stubs.adaptations.ListAdaptations(adaptations, timeout=_TIMEOUT_S).adaptations)
    statistics = drift_service_pb2.GetDriftStatisticsRequest(device_id=DEVICE_ID)
    yield "statistics", list(stubs.drift.GetDriftStatistics(statistics, timeout=_TIMEOUT_S).counts)


def _plain(message: Message, dropped: set[str]) -> Any:
    return _without(json_format.MessageToDict(message), dropped)


def _without(value: Any, dropped: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, dropped) for key, inner in value.items() if key not in dropped}
    return [_without(inner, dropped) for inner in value] if isinstance(value, list) else value

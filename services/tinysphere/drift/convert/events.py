"""Filters and counts of drift events from and to messages."""

from dataclasses import asdict

from tinymlops.v1 import drift_pb2, drift_service_pb2
from tinysphere.domain.drift import DriftEventState, DriftScope, DriftType, Severity
from tinysphere.domain.statistics import DriftCount, DriftDimension
from tinysphere.drift.convert.limits import MAX_DIMENSIONS
from tinysphere.drift.convert.reviews import read_optional_lookup
from tinysphere.rpc.checks import optional_timestamp, require_length
from tinysphere.rpc.nouns import enum_number, read_enum, read_optional_enum, to_timestamp
from tinysphere.storage.ports.drift import EventFilter
from tinysphere.storage.ports.statistics import CountRequest

_DEFAULT_DIMENSIONS = (DriftDimension.STATE, DriftDimension.TYPE, DriftDimension.SEVERITY)


def read_event_filter(request: drift_service_pb2.ListDriftEventsRequest) -> EventFilter:
    """Which events are wanted; raises InvalidFieldError."""
    states = (
        read_enum(f"states[{index}]", number, drift_pb2.DriftEventState, DriftEventState)
        for index, number in enumerate(request.states)
    )
    severity = request.minimum_severity
    return EventFilter(
        device_id=read_optional_lookup("device_id", request.device_id),
        states=frozenset(states),
        type=read_optional_enum("type", request.type, drift_pb2.DriftType, DriftType),
        minimum_severity=read_optional_enum("minimum_severity", severity, drift_pb2.Severity, Severity),
        scope=read_optional_enum("scope", request.scope, drift_pb2.DriftScope, DriftScope),
        received_from=optional_timestamp("after_time", request.after_time),
        received_before=optional_timestamp("before_time", request.before_time),
    )


def name_filter(wanted: EventFilter) -> str:
    """The same text for the same filter."""
    return str(asdict(wanted) | {"states": sorted(state.value for state in wanted.states)})


def read_count_request(request: drift_service_pb2.GetDriftStatisticsRequest) -> CountRequest:
    """What is to be counted; raises InvalidFieldError."""
    require_length("dimensions", request.dimensions, 0, MAX_DIMENSIONS)
    dimensions = [
        read_enum(f"dimensions[{index}]", number, drift_service_pb2.DriftDimension, DriftDimension)
        for index, number in enumerate(request.dimensions)
    ]
    return CountRequest(
        device_id=read_optional_lookup("device_id", request.device_id),
        detected_from=optional_timestamp("after_time", request.after_time),
        detected_before=optional_timestamp("before_time", request.before_time),
        dimensions=tuple(dict.fromkeys(dimensions)) or _DEFAULT_DIMENSIONS,
    )


def drift_count(count: DriftCount) -> drift_service_pb2.DriftCount:
    """The contract's message."""
    return drift_service_pb2.DriftCount(
        state=enum_number(count.state, drift_pb2.DriftEventState),
        type=enum_number(count.type, drift_pb2.DriftType),
        severity=enum_number(count.severity, drift_pb2.Severity),
        event_count=count.event_count,
        cause=enum_number(count.cause, drift_pb2.DriftCause),
        scope=enum_number(count.scope, drift_pb2.DriftScope),
        device_id=count.device_id,
        model_name=count.model_name,
        model_version=count.model_version,
        hour_time=to_timestamp(count.hour_time),
        day_time=to_timestamp(count.day_time),
    )

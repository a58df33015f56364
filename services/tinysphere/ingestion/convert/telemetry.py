"""Messages of TelemetryService."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration

from tinymlops.v1 import package_pb2, telemetry_pb2, telemetry_service_pb2
from tinysphere.domain.telemetry import (
    LOG_LEVELS,
    DeviceLogRecord,
    Metric,
    MetricAggregation,
    MetricSeries,
    sought_words,
)
from tinysphere.errors import InvalidFieldError
from tinysphere.ingestion.convert.records import METRIC_NAME, METRIC_NAME_RULE
from tinysphere.ingestion.telemetry import MetricAnswer, MetricRequest
from tinysphere.rpc.checks import (
    optional_timestamp,
    require_device_id,
    require_pattern,
    require_text,
    require_timestamp,
    shown,
)
from tinysphere.rpc.nouns import enum_number, read_enum, to_timestamp
from tinysphere.storage.ports.telemetry import LogFilter

MAX_DEVICES = 100
MAX_STEP = timedelta(days=366)
MAX_TEXT_CHARACTERS = 200
MAX_WORDS = 10
LAST_TIME = datetime(9990, 1, 1, tzinfo=UTC)  # a step beyond it is still a time


def read_metric_request(request: telemetry_service_pb2.QueryMetricsRequest) -> MetricRequest:
    """What is asked of a metric."""
    if len(request.device_ids) > MAX_DEVICES:
        raise InvalidFieldError("device_ids", f"at most {MAX_DEVICES} devices", str(len(request.device_ids)))
    start_time = require_timestamp("start_time", request.start_time)
    end_time = require_timestamp("end_time", request.end_time)
    if not start_time < end_time <= LAST_TIME:
        raise InvalidFieldError("end_time", f"a time after start_time, before {LAST_TIME:%Y}", str(end_time))
    return MetricRequest(
        name=require_pattern("name", request.name, METRIC_NAME, METRIC_NAME_RULE),
        device_ids=[
            require_device_id(f"device_ids[{index}]", one) for index, one in enumerate(request.device_ids)
        ],
        start_time=start_time,
        end_time=end_time,
        step=_read_step(request.step),
        aggregation=read_enum(
            "aggregation", request.aggregation, telemetry_pb2.MetricAggregation, MetricAggregation
        ),
    )


def read_log_filter(request: telemetry_service_pb2.SearchLogsRequest) -> LogFilter:
    """Which log records are wanted."""
    start_time = optional_timestamp("start_time", request.start_time)
    end_time = optional_timestamp("end_time", request.end_time)
    if start_time is not None and end_time is not None and start_time >= end_time:
        raise InvalidFieldError("end_time", "a time after start_time", str(end_time))
    words = sought_words(require_text("text", request.text, 0, MAX_TEXT_CHARACTERS))
    if len(words) > MAX_WORDS or (request.text.strip() and not words):
        raise InvalidFieldError("text", f"1 to {MAX_WORDS} words", shown(request.text))
    if request.minimum_level and request.minimum_level not in LOG_LEVELS:
        raise InvalidFieldError(
            "minimum_level", f"one of {', '.join(LOG_LEVELS)}", shown(request.minimum_level)
        )
    return LogFilter(
        device_id=require_device_id("device_id", request.device_id) if request.device_id else None,
        minimum_level=LOG_LEVELS.get(request.minimum_level, 0),
        start_time=start_time,
        end_time=end_time,
        words=words,
    )


def metric_message(metric: Metric) -> telemetry_pb2.Metric:
    """The contract's message."""
    return telemetry_pb2.Metric(device_id=metric.device_id, name=metric.name)


def metric_answer(answer: MetricAnswer, token: str) -> telemetry_service_pb2.QueryMetricsResponse:
    """One page of QueryMetrics."""
    return telemetry_service_pb2.QueryMetricsResponse(
        series=[_series_message(series) for series in answer.series],
        next_page_token=token,
        start_time=to_timestamp(answer.query.start_time),
        end_time=to_timestamp(answer.query.end_time),
        level=enum_number(answer.query.level, telemetry_pb2.MetricLevel),
    )


def log_message(one: DeviceLogRecord) -> telemetry_pb2.DeviceLogRecord:
    """The contract's message."""
    record = package_pb2.LogRecord(
        log_time=to_timestamp(one.record.log_time),
        level=one.record.level,
        logger=one.record.logger,
        message=one.record.message,
    )
    return telemetry_pb2.DeviceLogRecord(device_id=one.device_id, record=record)


def _series_message(series: MetricSeries) -> telemetry_pb2.MetricSeries:
    message = telemetry_pb2.MetricSeries(metric=metric_message(series.metric))
    for bucket in series.buckets:
        added = message.buckets.add(count=bucket.count, value=bucket.value)
        added.start_time.FromDatetime(bucket.start_time)
    return message


def _read_step(step: Duration) -> timedelta:
    if step.nanos or not 1 <= step.seconds <= MAX_STEP.total_seconds():
        raise InvalidFieldError(
            "step", "whole seconds, 1 second to 366 days", f"{step.seconds} s {step.nanos} ns"
        )
    return timedelta(seconds=step.seconds)

"""Records inside a package, checked."""

import re
from collections.abc import Iterator

from tinymlops.v1 import adaptation_pb2, drift_pb2, package_pb2
from tinysphere.domain.moments import moment_of
from tinysphere.domain.packages import LogRecord, MetricPoint
from tinysphere.domain.telemetry import LOG_LEVELS, Place
from tinysphere.errors import InvalidFieldError, InvalidRequestError
from tinysphere.ingestion.convert.record_files import RecordFile, read_messages
from tinysphere.rpc.checks import require_finite, require_pattern, require_text, require_time_us

DriftEventMessage = drift_pb2.DriftEvent
SampleMessage = drift_pb2.Sample
AdaptationMessage = adaptation_pb2.Adaptation

MAX_METRIC_VALUE = 1e300  # no sum of them overflows
MAX_NAMES = 10_000  # remembered at a time

METRIC_NAME = re.compile(r"[a-z0-9._]{1,128}")
METRIC_NAME_RULE = "1 to 128 characters of [a-z0-9._]"


def read_drift_events(file: RecordFile, device_id: str) -> Iterator[DriftEventMessage]:
    """Drift events; the drift service checks the rest."""
    for number, event in read_messages(file, DriftEventMessage):
        _require_owner(file, number, event.device_id, device_id)
        yield event


def read_adaptations(file: RecordFile, device_id: str) -> Iterator[AdaptationMessage]:
    """Adaptations; the drift service checks the rest."""
    for number, adaptation in read_messages(file, AdaptationMessage):
        _require_owner(file, number, adaptation.device_id, device_id)
        yield adaptation


def read_samples(file: RecordFile, device_id: str) -> Iterator[SampleMessage]:
    """Samples; the drift service checks the rest."""
    for number, sample in read_messages(file, SampleMessage):
        _require_owner(file, number, sample.device_id, device_id)
        yield sample


def read_metric_points(file: RecordFile, place: Place) -> Iterator[MetricPoint]:
    """Metric points, checked, at the moments that ``place`` gives them."""
    names: dict[str, str] = {}  # one object for each name, checked once
    for number, message in read_messages(file, package_pb2.MetricPoint):
        try:
            yield MetricPoint(
                names.get(message.name) or _remember(names, _metric_name(message)),
                place(require_time_us("measure_time", message.measure_time)),
                require_finite("value", message.value, -MAX_METRIC_VALUE, MAX_METRIC_VALUE),
            )
        except InvalidFieldError as error:
            raise _invalid(file, number, error) from error


def read_log_records(file: RecordFile, place: Place) -> Iterator[LogRecord]:
    """Log records, checked, at the moments that ``place`` gives them."""
    for number, message in read_messages(file, package_pb2.LogRecord):
        try:
            yield _log_record(message, place)
        except InvalidFieldError as error:
            raise _invalid(file, number, error) from error


def _metric_name(message: package_pb2.MetricPoint) -> str:
    return require_pattern("name", message.name, METRIC_NAME, METRIC_NAME_RULE)


def _remember(names: dict[str, str], name: str) -> str:
    if len(names) >= MAX_NAMES:
        names.clear()
    return names.setdefault(name, name)


def _log_record(message: package_pb2.LogRecord, place: Place) -> LogRecord:
    if message.level not in LOG_LEVELS:
        raise InvalidFieldError("level", f"one of {', '.join(LOG_LEVELS)}", message.level[:20])
    return LogRecord(
        log_time=moment_of(place(require_time_us("log_time", message.log_time))),
        level=message.level,
        logger=require_text("logger", message.logger, 0, 128),
        message=require_text("message", message.message, 0, 4096),
    )


def _require_owner(file: RecordFile, number: int, owner: str, device_id: str) -> None:
    if owner != device_id:
        raise InvalidRequestError(
            "RECORD_INVALID",
            f"{file.path}, record {number}: of device {owner[:64]!r}, expected {device_id!r}",
        )


def _invalid(file: RecordFile, number: int, error: InvalidFieldError) -> InvalidRequestError:
    return InvalidRequestError("RECORD_INVALID", f"{file.path}, record {number}: {error}")

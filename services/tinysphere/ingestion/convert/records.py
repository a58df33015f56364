"""Records inside a package: length-delimited messages (`.pb`), or canonical JSON, one a line (`.jsonl`)."""

import re
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from tinymlops.v1 import adaptation_pb2, drift_pb2, package_pb2
from tinysphere.domain.packages import LogRecord, MetricPoint
from tinysphere.domain.telemetry import LOG_LEVELS
from tinysphere.errors import InvalidFieldError, InvalidRequestError
from tinysphere.rpc.checks import require_finite, require_pattern, require_text, require_timestamp

DriftEventMessage = drift_pb2.DriftEvent
SampleMessage = drift_pb2.Sample
AdaptationMessage = adaptation_pb2.Adaptation

MAX_RECORD_BYTES = 2 * 1024 * 1024  # a sample with the largest picture fits
MAX_LINE_BYTES = 3 * 1024 * 1024  # the same in JSON, where bytes take a third more
MAX_SIZE_PREFIX_BYTES = 4
READ_BYTES = 256 * 1024
MAX_METRIC_VALUE = 1e300  # no sum of them overflows

METRIC_NAME = re.compile(r"[a-z0-9._]{1,128}")
METRIC_NAME_RULE = "1 to 128 characters of [a-z0-9._]"

MessageT = TypeVar("MessageT", bound=Message)
RecordT = TypeVar("RecordT")


class RecordFile(Protocol):
    """A record file, read once."""

    @property
    def path(self) -> str: ...

    def read(self, size: int) -> bytes: ...


def read_drift_events(file: RecordFile, device_id: str) -> Iterator[DriftEventMessage]:
    """Drift events; the drift service checks the rest."""
    for number, event in _messages(file, DriftEventMessage):
        _require_owner(file, number, event.device_id, device_id)
        yield event


def read_adaptations(file: RecordFile, device_id: str) -> Iterator[AdaptationMessage]:
    """Adaptations; the drift service checks the rest."""
    for number, adaptation in _messages(file, AdaptationMessage):
        _require_owner(file, number, adaptation.device_id, device_id)
        yield adaptation


def read_samples(file: RecordFile, device_id: str) -> Iterator[SampleMessage]:
    """Samples; the drift service checks the rest."""
    for number, sample in _messages(file, SampleMessage):
        _require_owner(file, number, sample.device_id, device_id)
        yield sample


def read_metric_points(file: RecordFile) -> Iterator[MetricPoint]:
    """Metric points, checked."""
    for number, message in _messages(file, package_pb2.MetricPoint):
        yield _checked(file, number, _metric_point, message)


def read_log_records(file: RecordFile) -> Iterator[LogRecord]:
    """Log records, checked."""
    for number, message in _messages(file, package_pb2.LogRecord):
        yield _checked(file, number, _log_record, message)


def _metric_point(message: package_pb2.MetricPoint) -> MetricPoint:
    return MetricPoint(
        name=require_pattern("name", message.name, METRIC_NAME, METRIC_NAME_RULE),
        measure_time=require_timestamp("measure_time", message.measure_time),
        value=require_finite("value", message.value, -MAX_METRIC_VALUE, MAX_METRIC_VALUE),
    )


def _log_record(message: package_pb2.LogRecord) -> LogRecord:
    if message.level not in LOG_LEVELS:
        raise InvalidFieldError("level", f"one of {', '.join(LOG_LEVELS)}", message.level[:20])
    return LogRecord(
        log_time=require_timestamp("log_time", message.log_time),
        level=message.level,
        logger=require_text("logger", message.logger, 0, 128),
        message=require_text("message", message.message, 0, 4096),
    )


def _messages(file: RecordFile, kind: type[MessageT]) -> Iterator[tuple[int, MessageT]]:
    """Number from 1, and message."""
    if file.path.endswith(".pb"):
        return enumerate(_delimited(file, kind), start=1)
    if file.path.endswith(".jsonl"):
        return enumerate(_json_lines(file, kind), start=1)
    raise InvalidRequestError("RECORDS_UNREADABLE", f"{file.path}: expected a name ending in .pb or .jsonl")


def _delimited(file: RecordFile, kind: type[MessageT]) -> Iterator[MessageT]:
    buffer = _Buffer(file)
    while (size := buffer.varint()) is not None:
        content = buffer.take(size)
        try:
            yield kind.FromString(content)
        except DecodeError as error:
            raise _unreadable(file, f"expected the bytes of a {kind.DESCRIPTOR.full_name}") from error


def _json_lines(file: RecordFile, kind: type[MessageT]) -> Iterator[MessageT]:
    buffer = _Buffer(file)
    while (line := buffer.line()) is not None:
        if not line.strip():
            continue
        try:
            yield json_format.Parse(line.decode(), kind(), ignore_unknown_fields=True)
        except (ValueError, RecursionError, json_format.ParseError) as error:
            raise _unreadable(file, f"expected the JSON of a {kind.DESCRIPTOR.full_name}: {error}") from error


class _Buffer:
    """Reads a file in large pieces, and hands out small ones."""

    def __init__(self, file: RecordFile) -> None:
        self._file = file
        self._data = b""
        self._at = 0

    def varint(self) -> int | None:
        """A record's size; None at the end."""
        if not self._ensure(1):
            return None
        size = shift = 0
        for _ in range(MAX_SIZE_PREFIX_BYTES):
            byte = self.take(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                if size > MAX_RECORD_BYTES:
                    break
                return size
        raise _unreadable(self._file, f"a record is longer than {MAX_RECORD_BYTES} bytes")

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        if not self._ensure(size):
            raise _unreadable(self._file, "ends inside a record")
        piece = self._data[self._at : self._at + size]
        self._at += size
        return piece

    def line(self) -> bytes | None:
        """A line without its end; None at the end of the file."""
        searched = 0
        while (end := self._data.find(b"\n", self._at + searched)) < 0:
            searched = len(self._data) - self._at
            if searched > MAX_LINE_BYTES:
                raise _unreadable(self._file, f"a line is longer than {MAX_LINE_BYTES} bytes")
            if not self._ensure(searched + 1):
                return self.take(searched) or None
        line = self._data[self._at : end]
        self._at = end + 1
        return line

    def _ensure(self, size: int) -> bool:
        while len(self._data) - self._at < size:
            piece = self._file.read(READ_BYTES)
            if not piece:
                return False
            self._data, self._at = self._data[self._at :] + piece, 0
        return True


def _require_owner(file: RecordFile, number: int, owner: str, device_id: str) -> None:
    if owner != device_id:
        raise InvalidRequestError(
            "RECORD_INVALID",
            f"{file.path}, record {number}: of device {owner[:64]!r}, expected {device_id!r}",
        )


def _checked(
    file: RecordFile, number: int, read: Callable[[MessageT], RecordT], message: MessageT
) -> RecordT:
    try:
        return read(message)
    except InvalidFieldError as error:
        raise InvalidRequestError("RECORD_INVALID", f"{file.path}, record {number}: {error}") from error


def _unreadable(file: RecordFile, what: str) -> InvalidRequestError:
    return InvalidRequestError("RECORDS_UNREADABLE", f"{file.path}: {what}")

"""Checks of request fields. Each returns the value it accepted and raises `InvalidFieldError` otherwise."""

import math
import re
from collections.abc import Mapping, Sized
from datetime import UTC, datetime, timedelta
from uuid import UUID

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tinysphere.errors import InvalidFieldError

_DEVICE_ID = re.compile(r"[a-z0-9][a-z0-9._-]{2,63}")
_LABEL_KEY = re.compile(r"[A-Za-z0-9._/-]{1,63}")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9._/-]{0,63}")
_MAX_LABELS = 32
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second of a protobuf Timestamp
_MAX_NANOS = 999_999_999
_SHOWN_CHARACTERS = 40


def require_id(field: str, value: str) -> str:
    """A UUID in its canonical lower-case form (36 characters)."""
    try:
        canonical: str | None = str(UUID(value))
    except ValueError:
        canonical = None  # not "", which is what an empty field holds
    if canonical != value:
        raise InvalidFieldError(field, "a UUID in lower-case canonical form", shown(value))
    return value


def require_device_id(field: str, value: str) -> str:
    """3 to 64 characters of [a-z0-9._-], the first a letter or digit."""
    if not _DEVICE_ID.fullmatch(value):
        raise InvalidFieldError(
            field, "3 to 64 characters of [a-z0-9._-], the first a letter or digit", shown(value)
        )
    return value


def require_text(field: str, value: str, minimum: int, maximum: int) -> str:
    """``minimum`` to ``maximum`` characters, none of them NUL, which PostgreSQL cannot store."""
    if not minimum <= len(value) <= maximum:
        raise InvalidFieldError(field, f"{minimum} to {maximum} characters", str(len(value)))
    if "\0" in value:
        raise InvalidFieldError(field, "text without NUL characters")
    return value


def require_pattern(field: str, value: str, pattern: re.Pattern[str], expected: str) -> str:
    """Text that ``pattern`` matches as a whole."""
    if not pattern.fullmatch(value):
        raise InvalidFieldError(field, expected, shown(value))
    return value


def require_sha256(field: str, value: str) -> str:
    """64 lower-case hex digits."""
    return require_pattern(field, value, _SHA256, "64 lower-case hex digits")


def require_labels(field: str, labels: Mapping[str, str]) -> dict[str, str]:
    """At most 32 labels: keys of 1 to 63, values of 0 to 63 characters of [A-Za-z0-9._/-]."""
    if len(labels) > _MAX_LABELS:
        raise InvalidFieldError(field, f"at most {_MAX_LABELS} labels", str(len(labels)))
    for key, value in labels.items():
        require_pattern(f"{field} key", key, _LABEL_KEY, "1 to 63 characters of [A-Za-z0-9._/-]")
        require_pattern(f"{field}[{key}]", value, _LABEL_VALUE, "0 to 63 characters of [A-Za-z0-9._/-]")
    return dict(labels)


def require_range(field: str, value: int, minimum: int, maximum: int) -> int:
    """An integer from ``minimum`` to ``maximum``, both allowed."""
    if not minimum <= value <= maximum:
        raise InvalidFieldError(field, f"{minimum} to {maximum}", str(value))
    return value


def require_count(field: str, value: int) -> int:
    """0 or more."""
    if value < 0:
        raise InvalidFieldError(field, "0 or more", str(value))
    return value


def require_length(field: str, values: Sized, minimum: int, maximum: int) -> None:
    """``minimum`` to ``maximum`` entries of a repeated field."""
    if not minimum <= len(values) <= maximum:
        raise InvalidFieldError(field, f"{minimum} to {maximum} entries", str(len(values)))


def require_finite(
    field: str, value: float, minimum: float | None = None, maximum: float | None = None
) -> float:
    """A finite number, within the bounds given."""
    if not math.isfinite(value):
        raise InvalidFieldError(field, "a finite number", str(value))
    if minimum is not None and value < minimum:
        raise InvalidFieldError(field, f"{minimum} or more", str(value))
    if maximum is not None and value > maximum:
        raise InvalidFieldError(field, f"{maximum} or less", str(value))
    return value


def require_enum(field: str, value: int, enum: EnumDescriptor) -> int:
    """A known number other than the unspecified 0."""
    if value == 0 or value not in enum.values_by_number:
        raise InvalidFieldError(field, f"a {enum.name} other than unspecified", str(value))
    return value


def optional_enum(field: str, value: int, enum: EnumDescriptor) -> int | None:
    """A known number; None for the unspecified 0."""
    return None if value == 0 else require_enum(field, value, enum)


def require_timestamp(field: str, value: Timestamp) -> datetime:
    """An aware UTC moment, cut to microseconds; a Timestamp left out is refused."""
    return _EPOCH + timedelta(microseconds=require_time_us(field, value))


def require_time_us(field: str, value: Timestamp) -> int:
    """As `require_timestamp`, in whole microseconds since 1970."""
    seconds, nanos = value.seconds, value.nanos
    if not 0 <= nanos <= _MAX_NANOS or not 0 <= seconds <= _MAX_SECONDS:
        raise InvalidFieldError(field, "a time from 1970 to 9999", f"{seconds} s {nanos} ns")
    if seconds == 0 and nanos == 0:
        raise InvalidFieldError(field, "a time")
    return seconds * 1_000_000 + nanos // 1000


def optional_timestamp(field: str, value: Timestamp) -> datetime | None:
    """As `require_timestamp`; None for a Timestamp left out."""
    if value.seconds == 0 and value.nanos == 0:
        return None
    return require_timestamp(field, value)


def require_duration(field: str, value: Duration, minimum: timedelta, maximum: timedelta) -> timedelta:
    """A duration from ``minimum`` to ``maximum``, both allowed, cut to microseconds; one left out is zero."""
    same_sign = value.seconds * value.nanos >= 0
    if not (same_sign and abs(value.nanos) <= _MAX_NANOS and abs(value.seconds) <= _MAX_SECONDS):
        raise InvalidFieldError(field, "a duration", f"{value.seconds} s {value.nanos} ns")
    duration = timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
    if not minimum <= duration <= maximum:
        raise InvalidFieldError(field, f"{minimum} to {maximum}", str(duration))
    return duration


def shown(value: str) -> str:
    """A short, printable form of what came, for messages."""
    return repr(value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…")

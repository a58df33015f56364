"""Checks accept what the contract allows, and name the field otherwise."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tinymlops.v1 import device_pb2
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc import checks

MODE = device_pb2.Mode.DESCRIPTOR
AN_ID = "01a203c8-1030-70ef-a195-966660e2d450"
ZERO, MINUTE = timedelta(0), timedelta(minutes=1)
A_TIME = Timestamp(seconds=1_700_000_000, nanos=123_456_789)


@pytest.mark.parametrize(
    ("check", "value", "more"),
    [
        (checks.require_id, AN_ID, ()),
        (checks.require_device_id, "cam.1_a-b", ()),
        (checks.require_text, "", (0, 3)),
        (checks.require_text, "äöü", (3, 3)),
        (checks.require_sha256, "0" * 64, ()),
        (checks.require_count, 0, ()),
        (checks.require_range, 5, (5, 5)),
        (checks.require_finite, -0.5, (-1, 1)),
        (checks.require_enum, 2, (MODE,)),
    ],
)
def test_what_is_allowed_is_returned(check: Callable[..., Any], value: Any, more: tuple[Any, ...]) -> None:
    assert check("field", value, *more) == value


@pytest.mark.parametrize(
    ("check", "value", "more"),
    [
        (checks.require_id, "", ()),
        (checks.require_id, "01a203c8-1030-70ef-a195-966660e2d45", ()),
        (checks.require_id, AN_ID.upper(), ()),
        (checks.require_id, "../../../../etc/passwd", ()),
        (checks.require_device_id, "ab", ()),
        (checks.require_device_id, "a" * 65, ()),
        (checks.require_device_id, "-abc", ()),
        (checks.require_device_id, "abc\n", ()),
        (checks.require_device_id, "Camera", ()),
        (checks.require_text, "abcd", (0, 3)),
        (checks.require_text, "", (1, 3)),
        (checks.require_text, "a\0b", (0, 3)),
        (checks.require_sha256, "0" * 63, ()),
        (checks.require_sha256, "A" * 64, ()),
        (checks.require_count, -1, ()),
        (checks.require_range, 6, (1, 5)),
        (checks.require_length, [1, 2], (0, 1)),
        (checks.require_length, [], (1, 2)),
        (checks.require_finite, math.nan, ()),
        (checks.require_finite, math.inf, ()),
        (checks.require_finite, 1.5, (-1, 1)),
        (checks.require_finite, -1.5, (-1, 1)),
        (checks.require_enum, 0, (MODE,)),
        (checks.require_enum, 99, (MODE,)),
        (checks.require_timestamp, Timestamp(), ()),
        (checks.require_timestamp, Timestamp(seconds=1, nanos=-1), ()),
        (checks.require_timestamp, Timestamp(seconds=1, nanos=10**9), ()),
        (checks.require_timestamp, Timestamp(seconds=-1), ()),
        (checks.require_timestamp, Timestamp(seconds=2**62), ()),
        (checks.require_duration, Duration(seconds=61), (ZERO, MINUTE)),
        (checks.require_duration, Duration(seconds=-1), (ZERO, MINUTE)),
        (checks.require_duration, Duration(seconds=1, nanos=-1), (ZERO, MINUTE)),
        (checks.require_duration, Duration(seconds=2**62), (ZERO, MINUTE)),
    ],
)
def test_what_is_not_allowed_names_the_field(
    check: Callable[..., Any], value: Any, more: tuple[Any, ...]
) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        check("some.field", value, *more)
    assert caught.value.field == "some.field"


def test_moments_are_aware_and_cut_to_microseconds() -> None:
    moment = checks.require_timestamp("time", A_TIME)
    assert moment == datetime.fromtimestamp(1_700_000_000, UTC).replace(microsecond=123_456)
    assert checks.optional_timestamp("time", A_TIME) == moment


def test_durations_are_cut_to_microseconds() -> None:
    duration = checks.require_duration("wait", Duration(seconds=2, nanos=1_999), ZERO, MINUTE)
    assert duration == timedelta(seconds=2, microseconds=1)
    assert checks.require_duration("wait", Duration(), ZERO, MINUTE) == ZERO


def test_optional_fields_may_be_left_out() -> None:
    assert checks.optional_timestamp("time", Timestamp()) is None
    assert checks.optional_enum("mode", 0, MODE) is None


def test_long_values_are_shown_short() -> None:
    assert len(checks.shown("x" * 10_000)) < 50

"""What devices measured and logged, over time: levels, aggregations, words, and clocks that were wrong.

Enums are named as in `tinymlops.v1`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from tinysphere.domain.moments import MICROSECOND, microseconds
from tinysphere.domain.packages import LogRecord

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
CLOCK_TOLERANCE = timedelta(minutes=5)
MAX_WORD_CHARACTERS = 64
LOG_LEVELS: Mapping[str, int] = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}

_WORD = re.compile(r"[^\W_]+")
_SOUGHT = re.compile(r"([^\W_]+)(\*?)")


Place = Callable[[int], int]


class MetricAggregation(Enum):
    """What is told of the points inside one bucket."""

    MIN = "MIN"
    MAX = "MAX"
    MEAN = "MEAN"
    SUM = "SUM"
    COUNT = "COUNT"
    LAST = "LAST"
    P50 = "P50"
    P90 = "P90"
    P95 = "P95"
    P99 = "P99"


PERCENTILES: Mapping[MetricAggregation, int] = {
    MetricAggregation.P50: 50,
    MetricAggregation.P90: 90,
    MetricAggregation.P95: 95,
    MetricAggregation.P99: 99,
}


class MetricLevel(Enum):
    """How finely metrics are kept."""

    RAW = "RAW"
    MINUTE = "MINUTE"
    HOUR = "HOUR"


ROLLUPS: Mapping[MetricLevel, timedelta] = {
    MetricLevel.HOUR: timedelta(hours=1),
    MetricLevel.MINUTE: timedelta(minutes=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long each level of metrics, and the log, is kept."""

    levels: Mapping[MetricLevel, timedelta]
    logs: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric of a device."""

    device_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricBucket:
    """``count`` points from ``start_time`` on, for one step."""

    start_time: datetime
    count: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSeries:
    """One metric over time; only buckets that hold points."""

    metric: Metric
    buckets: Sequence[MetricBucket]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLogRecord:
    """One line of a device's log; ``log_id`` grows with its arrival."""

    log_id: int
    device_id: str
    record: LogRecord


def level_of(step: timedelta, aggregation: MetricAggregation) -> MetricLevel:
    """The coarsest level that answers exactly.

    >>> level_of(timedelta(hours=6), MetricAggregation.MEAN).value
    'HOUR'
    >>> level_of(timedelta(hours=6), MetricAggregation.P99).value
    'RAW'
    """
    if aggregation in PERCENTILES:
        return MetricLevel.RAW
    fitting = (level for level, width in ROLLUPS.items() if step % width == timedelta())
    return next(fitting, MetricLevel.RAW)


def placing(create_time: datetime, receive_time: datetime) -> Place:
    """Where on the time line a package's records belong.

    A clock that says a package was made before this software was, or after the server had it, was wrong: all its
    moments move by what it was off. What then still cannot be, because the clock was set in between, was measured
    before the package was made, and nobody knows when: it is put there.

    Args:
        create_time: When the package was made, by the device's clock.
        receive_time: When its first byte was announced, by the server's.

    Returns:
        A function from a record's moment, by the device's clock, to the one to keep; both in microseconds.
    """
    is_right = EARLIEST <= create_time <= receive_time + CLOCK_TOLERANCE
    create_us, made_us = microseconds(create_time), microseconds(create_time if is_right else receive_time)
    first_us, last_us = microseconds(EARLIEST) - made_us, CLOCK_TOLERANCE // MICROSECOND

    def place(time_us: int) -> int:
        age_us = time_us - create_us
        return made_us + age_us if first_us <= age_us <= last_us else made_us

    return place


@dataclass(frozen=True, slots=True, kw_only=True)
class SoughtWord:
    """A word to find; with ``is_beginning`` every word that begins so."""

    text: str
    is_beginning: bool = False


def words_of(text: str) -> list[str]:
    """The distinct words of a text, in order.

    >>> words_of("Upload of a_b.tar FAILED, upload 3")
    ['3', 'a', 'b', 'failed', 'of', 'tar', 'upload']
    """
    return sorted({word[:MAX_WORD_CHARACTERS] for word in _WORD.findall(text.casefold())})


def sought_words(text: str) -> list[SoughtWord]:
    """The words that a search is for.

    >>> [word.text for word in sought_words("Disk, uplo*") if word.is_beginning]
    ['uplo']
    """
    found = {(word[:MAX_WORD_CHARACTERS], bool(star)) for word, star in _SOUGHT.findall(text.casefold())}
    return [SoughtWord(text=word, is_beginning=star) for word, star in sorted(found)]

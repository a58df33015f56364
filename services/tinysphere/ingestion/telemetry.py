"""Metrics and logs as people and programs look back on them, and how long they can."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tinysphere.domain.clock import Clock
from tinysphere.domain.moments import EPOCH
from tinysphere.domain.telemetry import (
    DeviceLogRecord,
    Metric,
    MetricAggregation,
    MetricLevel,
    MetricSeries,
    Retention,
    level_of,
)
from tinysphere.errors import InvalidFieldError, InvalidRequestError
from tinysphere.storage.ports.telemetry import LogFilter, MetricQuery, TelemetryKeeper, TelemetryReader

MAX_BUCKETS = 10_000  # of one series
MAX_PAGE_BUCKETS = 20_000
MAX_POINTS = 2_000_000  # read for one page


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRequest:
    """What is asked of one metric, of these devices or of all."""

    name: str
    device_ids: Sequence[str]
    start_time: datetime
    end_time: datetime
    step: timedelta
    aggregation: MetricAggregation


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricAnswer:
    """One page; ``has_more`` when another follows."""

    query: MetricQuery
    series: Sequence[MetricSeries]
    has_more: bool


class Telemetry:
    """Use cases of ListMetrics, QueryMetrics and SearchLogs, and the sweep."""

    def __init__(
        self, reader: TelemetryReader, keeper: TelemetryKeeper, retention: Retention, clock: Clock
    ) -> None:
        self._reader = reader
        self._keeper = keeper
        self._retention = retention
        self._clock = clock

    def metrics(self, device_id: str | None, *, after: tuple[str, str] | None, limit: int) -> list[Metric]:
        """Metrics by name and device id."""
        return self._reader.metrics(device_id, after=after, limit=limit)

    def query(self, request: MetricRequest, *, after: str | None, limit: int) -> MetricAnswer:
        """At most ``limit`` series by device id, beyond the device ``after``.

        Raises:
            InvalidFieldError: the range has too many steps.
            InvalidRequestError: TOO_MANY_POINTS.
        """
        query = self._query(request)
        steps = max(1, (query.end_time - query.start_time) // query.step)
        size = min(limit, MAX_PAGE_BUCKETS // steps)
        owners = self._reader.owners(request.name, request.device_ids, after=after, limit=size + 1)
        shown = dict(list(owners.items())[:size])
        if query.start_time >= query.end_time:
            series = [MetricSeries(metric=metric, buckets=()) for metric in shown.values()]
        else:
            self._check_cost(shown, query)
            series = self._reader.query(shown, query)
        return MetricAnswer(query=query, series=series, has_more=len(owners) > size)

    def logs(
        self, wanted: LogFilter, *, after: tuple[datetime, int] | None, limit: int
    ) -> list[DeviceLogRecord]:
        """Log records, newest first."""
        return self._reader.logs(wanted, after=after, limit=limit)

    def sweep(self) -> None:
        """Prepare the days to come, and forget what is too old."""
        now = self._clock.now()
        levels = {level: now - kept for level, kept in self._retention.levels.items()}
        self._keeper.keep_since(levels, now - self._retention.logs, now=now)

    def _query(self, request: MetricRequest) -> MetricQuery:
        """In whole steps, and not before what the level holds whole."""
        step = request.step
        level = level_of(step, request.aggregation)
        start_time = _floor(request.start_time, step)
        end_time = _ceiling(request.end_time, step)
        if end_time - start_time > MAX_BUCKETS * step:
            raise InvalidFieldError("step", f"at least a {MAX_BUCKETS}th of the range", f"{step}")
        kept_since = _ceiling(self._clock.now() - self._retention.levels[level], step)
        return MetricQuery(
            level=level,
            start_time=min(max(start_time, kept_since), end_time),
            end_time=end_time,
            step=step,
            aggregation=request.aggregation,
        )

    def _check_cost(self, series: dict[int, Metric], query: MetricQuery) -> None:
        if query.level is MetricLevel.RAW and self._reader.count_points(series, query) > MAX_POINTS:
            raise InvalidRequestError(
                "TOO_MANY_POINTS",
                f"this would read more than {MAX_POINTS} points; "
                "ask for a shorter range, for fewer devices, or for whole minutes",
            )


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - EPOCH) % step


def _ceiling(moment: datetime, step: timedelta) -> datetime:
    return moment + (EPOCH - moment) % step

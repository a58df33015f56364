"""What the ingestion service needs of a store of metrics and logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tinysphere.domain.packages import LogRecord, MetricPoint, PackageDescriptor
from tinysphere.domain.telemetry import (
    DeviceLogRecord,
    Metric,
    MetricAggregation,
    MetricLevel,
    MetricSeries,
    SoughtWord,
)

METRIC_NAMES_MAX = 1000  # of one device, unless an operator says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecords:
    """What a device measured and logged."""

    device_id: str
    points: Sequence[MetricPoint] = ()
    logs: Sequence[LogRecord] = ()


class TelemetrySink(Protocol):
    """Takes the records of packages, in the order of their indices, each once.

    In the transaction that takes them, the package's step notes how many it took: that note is what makes repetitions
    harmless, also years later. Raises SupersededError/CLAIM_LOST when the package has no such step (any more), and
    InvalidRequestError/TOO_MANY_METRICS, taking nothing, when the device would have more metrics than it may.
    """

    def add_metrics(
        self, package: PackageDescriptor, first_index: int, points: Sequence[MetricPoint]
    ) -> None:
        """Keep metric points, those at ``first_index`` and beyond among the package's.

        A point that came before, in whatever package, counts once as long as the points themselves are kept.
        """

    def add_logs(self, package: PackageDescriptor, first_index: int, records: Sequence[LogRecord]) -> None:
        """Keep log records, those at ``first_index`` and beyond among the package's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricQuery:
    """Buckets of ``step`` from ``start_time`` until ``end_time``; both are multiples of ``step`` since 1970."""

    level: MetricLevel
    start_time: datetime
    end_time: datetime
    step: timedelta
    aggregation: MetricAggregation


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which log records are wanted; None, 0 or nothing for all."""

    device_id: str | None = None
    minimum_level: int = 0
    start_time: datetime | None = None
    end_time: datetime | None = None
    words: Sequence[SoughtWord] = ()


class TelemetryReader(Protocol):
    """Reads what was taken."""

    def metrics(self, device_id: str | None, *, after: tuple[str, str] | None, limit: int) -> list[Metric]:
        """Metrics by name and device id, beyond the pair ``after``."""

    def owners(
        self, name: str, device_ids: Sequence[str], *, after: str | None, limit: int
    ) -> Mapping[int, Metric]:
        """Metrics of that name by their numbers, in the order of device ids, beyond ``after``.

        Args:
            device_ids: Of which devices; empty for all.
        """

    def count_points(self, series: Mapping[int, Metric], query: MetricQuery) -> int:
        """How many points there are in the range, or a little around it."""

    def query(self, series: Mapping[int, Metric], query: MetricQuery) -> list[MetricSeries]:
        """The buckets of each series, in the order of ``series``."""

    def logs(
        self, wanted: LogFilter, *, after: tuple[datetime, int] | None, limit: int
    ) -> list[DeviceLogRecord]:
        """Log records by descending time and id, beyond the pair ``after``."""


class TelemetryKeeper(Protocol):
    """Makes room for what comes, and forgets."""

    def keep_since(self, levels: Mapping[MetricLevel, datetime], logs: datetime, *, now: datetime) -> None:
        """Prepare the days to come, and delete what is older than these moments. In short transactions."""

"""Reads metrics and logs from SQL."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.moments import moment_of
from tinysphere.domain.packages import LogRecord
from tinysphere.domain.telemetry import LOG_LEVELS, DeviceLogRecord, Metric, MetricBucket, MetricSeries
from tinysphere.storage.ports.telemetry import LogFilter, MetricQuery
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.log_search import search
from tinysphere.storage.sql.metric_queries import bucket_query, count_query
from tinysphere.storage.sql.tables_telemetry import metric_series

_LEVEL_NAMES = {number: name for name, number in LOG_LEVELS.items()}


class SqlTelemetryReader:
    """See `TelemetryReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def metrics(self, device_id: str | None, *, after: tuple[str, str] | None, limit: int) -> list[Metric]:
        """See `TelemetryReader.metrics`."""
        key = (metric_series.c.name, metric_series.c.device_id)
        query = sa.select(*key).order_by(*key).limit(limit)
        if device_id is not None:
            query = query.where(metric_series.c.device_id == device_id)
        if after is not None:
            query = query.where(sa.tuple_(*key) > sa.tuple_(*after))
        with self._database.reading() as connection:
            return [Metric(device_id=row.device_id, name=row.name) for row in connection.execute(query)]

    def owners(
        self, name: str, device_ids: Sequence[str], *, after: str | None, limit: int
    ) -> Mapping[int, Metric]:
        """See `TelemetryReader.owners`."""
        query = sa.select(metric_series).where(metric_series.c.name == name)
        query = query.order_by(metric_series.c.device_id).limit(limit)
        if device_ids:
            query = query.where(metric_series.c.device_id.in_(device_ids))
        if after is not None:
            query = query.where(metric_series.c.device_id > after)
        with self._database.reading() as connection:
            return {
                row.series_id: Metric(device_id=row.device_id, name=row.name)
                for row in connection.execute(query)
            }

    def count_points(self, series: Mapping[int, Metric], query: MetricQuery) -> int:
        """See `TelemetryReader.count_points`."""
        with self._database.reading() as connection:
            return int(connection.execute(count_query(series, query)).scalar_one())

    def query(self, series: Mapping[int, Metric], query: MetricQuery) -> list[MetricSeries]:
        """See `TelemetryReader.query`."""
        buckets: defaultdict[int, list[MetricBucket]] = defaultdict(list)
        with self._database.reading() as connection:
            for row in connection.execute(bucket_query(series, query)):
                bucket = MetricBucket(
                    start_time=moment_of(row.start_us), count=int(row.point_count), value=float(row.value)
                )
                buckets[row.series_id].append(bucket)
        return [MetricSeries(metric=metric, buckets=buckets[number]) for number, metric in series.items()]

    def logs(
        self, wanted: LogFilter, *, after: tuple[datetime, int] | None, limit: int
    ) -> list[DeviceLogRecord]:
        """See `TelemetryReader.logs`."""
        with self._database.reading() as connection:
            return [
                DeviceLogRecord(
                    log_id=row.log_id,
                    device_id=row.device_id,
                    record=LogRecord(
                        log_time=moment_of(row.time_us),
                        level=_LEVEL_NAMES[row.level],
                        logger=row.logger,
                        message=row.message,
                    ),
                )
                for row in search(connection, wanted, after=after, limit=limit)
            ]

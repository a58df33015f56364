"""Forgets old metrics and logs, a few thousand rows in a transaction, so that nobody waits long."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.moments import microseconds
from tinysphere.domain.telemetry import LOG_LEVELS, MetricLevel
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.partitions import keep_weeks
from tinysphere.storage.sql.tables_telemetry import (
    ROLLUP_TABLES,
    log_records,
    metric_points,
    metric_series,
    moment_column,
)

BATCH_SIZE = 5000

_TABLES = {MetricLevel.RAW: metric_points, **ROLLUP_TABLES}


class SqlTelemetryKeeper:
    """See `TelemetryKeeper`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep_since(self, levels: Mapping[MetricLevel, datetime], logs: datetime, *, now: datetime) -> None:
        """See `TelemetryKeeper.keep_since`."""
        for level, since in levels.items():
            table = _TABLES[level]
            if table.dialect_options["postgresql"]["partition_by"] and not self._database.is_sqlite:
                with self._database.transaction(durable=False) as connection:
                    keep_weeks(connection, table, since, now)
            else:
                self._delete_points(table, microseconds(since))
        for level_number in LOG_LEVELS.values():
            old = (log_records.c.level == level_number, log_records.c.time_us < microseconds(logs))
            self._delete_logs(*old)

    def _delete_points(self, table: sa.Table, before_us: int) -> None:
        moment = moment_column(table)
        old = sa.exists().where(table.c.series_id == metric_series.c.series_id, moment < before_us)
        with self._database.reading() as connection:
            series_ids = connection.scalars(sa.select(metric_series.c.series_id).where(old)).all()
        for series_id in series_ids:
            self._delete_series(table, series_id, before_us)

    def _delete_series(self, table: sa.Table, series_id: int, before_us: int) -> None:
        moment = moment_column(table)
        next_batch = (
            sa.select(moment)
            .where(table.c.series_id == series_id, moment < before_us)
            .order_by(moment)
            .limit(1)
            .offset(BATCH_SIZE)
        )
        while True:
            with self._database.transaction(durable=False) as connection:
                until_us = connection.scalar(next_batch)
                end_us = before_us if until_us is None else until_us + 1
                connection.execute(sa.delete(table).where(table.c.series_id == series_id, moment < end_us))
            if until_us is None:
                return

    def _delete_logs(self, *wanted: sa.ColumnElement[bool]) -> None:
        batch = (
            sa.select(log_records.c.log_id).where(*wanted).order_by(log_records.c.time_us).limit(BATCH_SIZE)
        )
        deleted = BATCH_SIZE
        while deleted == BATCH_SIZE:
            with self._database.transaction(durable=False) as connection:
                deleted = connection.execute(
                    sa.delete(log_records).where(log_records.c.log_id.in_(batch))
                ).rowcount

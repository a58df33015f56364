"""Metric points into their tables: the new ones among those that come, and what they change in the rollups.

A rollup is right however often and in whatever order points come: only points that were not known change it. Nearly
always all of them are new. So they are inserted as such, in a savepoint, and looked at one by one only if that fails.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from tinysphere.domain.moments import MICROSECOND
from tinysphere.domain.telemetry import ROLLUPS, MetricLevel
from tinysphere.storage.sql.bulk import arrays, insert_rows
from tinysphere.storage.sql.rollups import PointRow, RollupRow, rolled_further, rolled_up
from tinysphere.storage.sql.tables_telemetry import metric_hours, metric_minutes

_COLUMNS = ("series_id", "time_us", "value")
_MAKE = "CREATE TEMP TABLE IF NOT EXISTS incoming_points (series_id BIGINT, time_us BIGINT, value DOUBLE PRECISION)"
_TAKE_NEW = """
INSERT INTO metric_points (series_id, time_us, value)
SELECT DISTINCT series_id, time_us, value FROM incoming_points WHERE true
ON CONFLICT DO NOTHING RETURNING series_id, time_us, value
"""
_EMPTY = "DELETE FROM incoming_points"

_MERGE = """
INSERT INTO {table} (series_id, start_us, count, sum, min, max, last_us, last) {source}
ON CONFLICT (series_id, start_us) DO UPDATE SET
    count = {table}.count + excluded.count,
    sum = {table}.sum + excluded.sum,
    min = CASE WHEN excluded.min < {table}.min THEN excluded.min ELSE {table}.min END,
    max = CASE WHEN excluded.max > {table}.max THEN excluded.max ELSE {table}.max END,
    last = CASE WHEN excluded.last_us > {table}.last_us
        OR (excluded.last_us = {table}.last_us AND excluded.last > {table}.last)
        THEN excluded.last ELSE {table}.last END,
    last_us = CASE WHEN excluded.last_us > {table}.last_us THEN excluded.last_us ELSE {table}.last_us END
"""
_ROW = "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS_OF_ARRAYS = (
    "SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::float8[], %s::float8[], %s::float8[], "
    "%s::bigint[], %s::float8[])"
)


def write_points(connection: sa.Connection, points: Sequence[PointRow]) -> None:
    """Take points; those that are known already change nothing. Nobody else writes these series meanwhile."""
    new = points if _all_are_new(connection, points) else _taken_one_by_one(connection, points)
    minutes = rolled_up(new, _width_us(MetricLevel.MINUTE))
    _merge(connection, metric_minutes.name, minutes)
    _merge(connection, metric_hours.name, rolled_further(minutes, _width_us(MetricLevel.HOUR)))


def _all_are_new(connection: sa.Connection, points: Sequence[PointRow]) -> bool:
    """Insert them all, or none."""
    try:
        with connection.begin_nested():
            insert_rows(connection, "metric_points", _COLUMNS, points)
    except sa.exc.IntegrityError:
        return False
    return True


def _taken_one_by_one(connection: sa.Connection, points: Sequence[PointRow]) -> Sequence[PointRow]:
    """Insert those that are not known, each once; which those were."""
    connection.exec_driver_sql(_MAKE)
    insert_rows(connection, "incoming_points", _COLUMNS, points)
    new = [tuple(row) for row in connection.exec_driver_sql(_TAKE_NEW)]
    connection.exec_driver_sql(_EMPTY)
    return new


def _merge(connection: sa.Connection, table: str, rows: Sequence[RollupRow]) -> None:
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_MERGE.format(table=table, source=_ROW), list(rows))
    else:
        statement = _MERGE.format(table=table, source=_ROWS_OF_ARRAYS)
        connection.exec_driver_sql(statement, tuple(arrays(rows)))


def _width_us(level: MetricLevel) -> int:
    return ROLLUPS[level] // MICROSECOND

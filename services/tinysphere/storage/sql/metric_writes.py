"""Metric points into their tables: the new ones among those that come, and what they change in the rollups.

Written in bulk, by COPY on PostgreSQL: the points go into a temporary table first, and from there the database takes
what it does not hold yet, and merges that alone. So a rollup is right however often and in whatever order points come.
"""

import io
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta

import sqlalchemy as sa

from tinysphere.domain.telemetry import ROLLUPS, MetricLevel
from tinysphere.storage.sql.tables_telemetry import ROLLUP_TABLES

PointRow = tuple[int, int, float]  # series_id, time_us, value

_INCOMING = "series_id BIGINT, time_us BIGINT, value DOUBLE PRECISION"
_SQLITE_MAKE = (
    f"CREATE TEMP TABLE IF NOT EXISTS incoming_points ({_INCOMING}, PRIMARY KEY (series_id, time_us, value)) "
    "WITHOUT ROWID"
)
_POSTGRESQL_MAKE = f"CREATE TEMP TABLE IF NOT EXISTS incoming_points ({_INCOMING}) ON COMMIT DELETE ROWS"
_POINTS = "INSERT INTO metric_points (series_id, time_us, value)"

_MERGE = """
INSERT INTO {table} (series_id, start_us, count, sum, min, max, last_us, last)
SELECT series_id, start_us, count(*), sum(value), min(value), max(value), max(time_us),
    max(CASE WHEN time_us = newest_us THEN value END)
FROM (
    SELECT series_id, time_us, value, time_us - time_us % {width_us} AS start_us,
        max(time_us) OVER (PARTITION BY series_id, time_us - time_us % {width_us}) AS newest_us
    FROM {new_points}
) AS points
WHERE true
GROUP BY series_id, start_us
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


def _merge(level: MetricLevel, new_points: str) -> str:
    width_us = ROLLUPS[level] // timedelta(microseconds=1)
    return _MERGE.format(table=ROLLUP_TABLES[level].name, width_us=width_us, new_points=new_points)


_POSTGRESQL_TAKE = f"""
WITH new_points AS (
    {_POINTS} SELECT series_id, time_us, value FROM incoming_points
    ON CONFLICT DO NOTHING RETURNING series_id, time_us, value
), {", ".join(f"{level.value}_rollup AS ({_merge(level, 'new_points')})" for level in ROLLUPS)}
SELECT 1
"""

_SQLITE_TAKE = (
    "DELETE FROM incoming_points WHERE EXISTS (SELECT 1 FROM metric_points AS known "
    "WHERE known.series_id = incoming_points.series_id AND known.time_us = incoming_points.time_us "
    "AND known.value = incoming_points.value)",
    f"{_POINTS} SELECT series_id, time_us, value FROM incoming_points",
    *(_merge(level, "incoming_points") for level in ROLLUPS),
    "DELETE FROM incoming_points",
)


def write_points(connection: sa.Connection, points: Sequence[PointRow]) -> None:
    """Take points; those that are known already change nothing. Nobody else writes these series meanwhile."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_SQLITE_MAKE)
        connection.exec_driver_sql("INSERT OR IGNORE INTO incoming_points VALUES (?, ?, ?)", list(points))
        for statement in _SQLITE_TAKE:
            connection.exec_driver_sql(statement)
        return
    connection.exec_driver_sql(_POSTGRESQL_MAKE)
    with closing(connection.connection.cursor()) as cursor:
        cursor.copy_expert("COPY incoming_points FROM STDIN", _copied(points))
    connection.execute(sa.text(_POSTGRESQL_TAKE))


def _copied(points: Sequence[PointRow]) -> io.StringIO:
    return io.StringIO(
        "".join([f"{series_id}\t{time_us}\t{value!r}\n" for series_id, time_us, value in points])
    )

"""What a metric query is in SQL, the same on both databases and for each level."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.moments import MICROSECOND, microseconds
from tinysphere.domain.telemetry import PERCENTILES, MetricAggregation, MetricLevel
from tinysphere.storage.ports.telemetry import MetricQuery
from tinysphere.storage.sql.tables_telemetry import (
    ROLLUP_TABLES,
    metric_hours,
    metric_points,
)

_HOUR_US = 3_600_000_000

_AGGREGATES: Mapping[MetricAggregation, Callable[[Any], sa.ColumnElement[Any]]] = {
    MetricAggregation.MIN: lambda source: sa.func.min(source.min),
    MetricAggregation.MAX: lambda source: sa.func.max(source.max),
    MetricAggregation.SUM: lambda source: sa.func.sum(source.sum),
    MetricAggregation.MEAN: lambda source: sa.func.sum(source.sum) / sa.func.sum(source.count),
    MetricAggregation.COUNT: lambda source: sa.func.sum(source.count),
    MetricAggregation.LAST: lambda source: sa.func.max(sa.case((source.newness == 1, source.last))),
}


def bucket_query(series_ids: Collection[int], query: MetricQuery) -> sa.Select[Any]:
    """Rows of series_id, start_us, point_count and value, by series and time."""
    step_us = query.step // MICROSECOND
    if query.aggregation in PERCENTILES:
        source: Any = _ranked(series_ids, query, step_us).c
        count: sa.ColumnElement[Any] = sa.func.count()
        reached = source.rank * 100 >= PERCENTILES[query.aggregation] * source.rank_count
        value: sa.ColumnElement[Any] = sa.func.min(sa.case((reached, source.value)))
    else:
        source = _source(series_ids, query, step_us).c
        count, value = sa.func.sum(source.count), _AGGREGATES[query.aggregation](source)
    return (
        sa.select(source.series_id, source.start_us, count.label("point_count"), value.label("value"))
        .group_by(source.series_id, source.start_us)
        .order_by(source.series_id, source.start_us)
    )


def count_query(series_ids: Collection[int], query: MetricQuery) -> sa.Select[Any]:
    """How many points the hours of the range hold."""
    first_us = microseconds(query.start_time)
    hours = metric_hours.c
    return sa.select(sa.func.coalesce(sa.func.sum(hours.count), 0)).where(
        hours.series_id.in_(series_ids),
        hours.start_us >= first_us - first_us % _HOUR_US,
        hours.start_us < microseconds(query.end_time),
    )


def _source(series_ids: Collection[int], query: MetricQuery, step_us: int) -> sa.Subquery:
    """What is stored of the range, each row in its bucket; a point is a summary of itself."""
    if query.level is MetricLevel.RAW:
        point = metric_points.c
        time_us, last_us = point.time_us, point.time_us
        parts = {"count": sa.literal(1), **dict.fromkeys(("sum", "min", "max", "last"), point.value)}
    else:
        row = ROLLUP_TABLES[query.level].c
        time_us, last_us = row.start_us, row.last_us
        parts = {name: row[name] for name in ("count", "sum", "min", "max", "last")}
    bucket = time_us - time_us % step_us
    columns = [part.label(name) for name, part in parts.items()]
    if query.aggregation is MetricAggregation.LAST:
        newest_first = (last_us.desc(), parts["last"].desc())
        series_id = time_us.table.c.series_id
        newness = sa.func.row_number().over(partition_by=(series_id, bucket), order_by=newest_first)
        columns.append(newness.label("newness"))
    return _in_range(time_us, series_ids, query, bucket, *columns)


def _ranked(series_ids: Collection[int], query: MetricQuery, step_us: int) -> sa.Subquery:
    """Points with their rank by value inside their bucket, from 1."""
    point = metric_points.c
    bucket = point.time_us - point.time_us % step_us
    inside = (point.series_id, bucket)
    rank = sa.func.row_number().over(partition_by=inside, order_by=point.value)
    rank_count = sa.func.count().over(partition_by=inside)
    return _in_range(
        point.time_us,
        series_ids,
        query,
        bucket,
        point.value,
        rank.label("rank"),
        rank_count.label("rank_count"),
    )


def _in_range(
    time_us: sa.Column[int],
    series_ids: Collection[int],
    query: MetricQuery,
    bucket: sa.ColumnElement[int],
    *columns: sa.ColumnElement[Any],
) -> sa.Subquery:
    series_id = time_us.table.c.series_id
    return (
        sa.select(series_id, bucket.label("start_us"), *columns)
        .where(series_id.in_(series_ids))
        .where(time_us >= microseconds(query.start_time), time_us < microseconds(query.end_time))
        .subquery()
    )

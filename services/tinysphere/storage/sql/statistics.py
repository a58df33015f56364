"""Counts of drift events over SQLite and PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.drift import DriftCause, DriftEventState, DriftScope, DriftType, Severity
from tinysphere.domain.statistics import DriftCount, DriftDimension
from tinysphere.storage.ports.statistics import CountRequest
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.metadata import UtcDateTime
from tinysphere.storage.sql.tables_drift import drift_events as events

_COLUMNS = {
    DriftDimension.STATE: (events.c.state,),
    DriftDimension.TYPE: (events.c.type,),
    DriftDimension.SEVERITY: (events.c.severity,),
    DriftDimension.CAUSE: (events.c.cause,),
    DriftDimension.SCOPE: (events.c.scope,),
    DriftDimension.DEVICE: (events.c.device_id,),
    DriftDimension.MODEL_VERSION: (events.c.model_name, events.c.model_version),
}
_ENUMS = {
    "state": DriftEventState,
    "type": DriftType,
    "severity": Severity,
    "cause": DriftCause,
    "scope": DriftScope,
}


class SqlStatisticsStore:
    """See `tinysphere.storage.ports.statistics.StatisticsStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_events(self, request: CountRequest, *, limit: int) -> Sequence[DriftCount]:
        """See `StatisticsStore.count_events`."""
        query = event_counts(request, dialect_name=self._database.dialect_name).limit(limit)
        with self._database.reading() as connection:
            return [_count_from(row) for row in connection.execute(query).mappings()]


def event_counts(request: CountRequest, *, dialect_name: str) -> sa.Select[Any]:
    """Events by the dimensions asked for; an index covers the default ones."""
    known = {**_COLUMNS, **_buckets(dialect_name)}
    columns = [column for dimension in request.dimensions for column in known[dimension]]
    count = sa.func.count().label("event_count")
    query = sa.select(*columns, count).select_from(events).group_by(*columns)
    if request.device_id:
        query = query.where(events.c.device_id == request.device_id)
    if request.detected_from is not None:
        query = query.where(events.c.detect_time >= request.detected_from)
    if request.detected_before is not None:
        query = query.where(events.c.detect_time < request.detected_before)
    return query.order_by(count.desc(), *columns)


def _buckets(dialect_name: str) -> Mapping[DriftDimension, tuple[sa.ColumnElement[Any]]]:
    """Beginnings of hours and days. SQLite keeps moments as text; PostgreSQL's sessions are in UTC."""
    moment = events.c.detect_time
    if dialect_name == "sqlite":
        text = sa.type_coerce(moment, sa.String)
        hour = sa.func.substr(text, 1, 13, type_=sa.String) + sa.literal_column("':00:00.000000'", sa.String)
        day = sa.func.substr(text, 1, 10, type_=sa.String) + sa.literal_column(
            "' 00:00:00.000000'", sa.String
        )
    else:
        hour = sa.func.date_trunc(sa.literal_column("'hour'"), moment)
        day = sa.func.date_trunc(sa.literal_column("'day'"), moment)
    return {
        DriftDimension.HOUR: (sa.type_coerce(hour, UtcDateTime).label("hour_time"),),
        DriftDimension.DAY: (sa.type_coerce(day, UtcDateTime).label("day_time"),),
    }


def _count_from(row: sa.RowMapping) -> DriftCount:
    values: dict[str, Any] = dict(row)
    for name, enum in _ENUMS.items():
        if values.get(name) is not None:
            values[name] = enum(values[name])
    return DriftCount(**values)

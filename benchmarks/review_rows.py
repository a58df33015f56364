"""Very many events, samples and packages, written in bulk: copies of one, but for what tells them apart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tests.tinysphere.drift.builders import SPACE, event_record, sample_record
from tests.tinysphere.storage.records import DEVICE_ID, profile
from tinysphere.domain.drift import DriftEventState, DriftScope, DriftType, SampleState, Severity
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.drift_rows import event_row, sample_row
from tinysphere.storage.sql.metadata import UtcDateTime
from tinysphere.storage.sql.tables_drift import (
    drift_event_progress,
    drift_events,
    feature_spaces,
    samples,
)
from tinysphere.storage.sql.tables_ingestion import packages
from tinysphere.storage.sql.tables_queue import queue_entries, queue_sizes

EVENTS, SAMPLES, PACKAGES = SUBJECTS = ("events", "samples", "packages")
DEVICE_COUNT = 200
SAMPLES_OF_EVENT = 100
START = datetime(2026, 1, 1, tzinfo=UTC)

Expression = sa.ColumnElement[Any]
Overrides = Mapping[str, Expression]


class Copies:
    """Expressions of a row's number `i`, in the words of one database."""

    def __init__(self, *, is_sqlite: bool, count: int) -> None:
        self._is_sqlite = is_sqlite
        first = sa.select(sa.cast(0, sa.BigInteger).label("i")).cte("numbers", recursive=True)
        self.numbers = first.union_all(sa.select(first.c.i + 1).where(first.c.i < count - 1))
        self.i: Expression = self.numbers.c.i

    def identity(self, number: Expression | None = None) -> Expression:
        """A UUID that sorts by its number."""
        number = self.i if number is None else number
        tail = sa.literal("-7000-8000-000000000000")
        if self._is_sqlite:
            return sa.func.printf("%08x-0000", number, type_=sa.String) + tail
        return sa.func.lpad(sa.func.to_hex(number), 8, "0", type_=sa.String) + sa.literal("-0000") + tail

    def moment(self) -> Expression:
        """A second after the row before."""
        if self._is_sqlite:
            text = sa.func.datetime(
                START.strftime("%Y-%m-%d"), sa.cast(self.i, sa.String) + sa.literal(" seconds")
            )
            moment: Expression = sa.type_coerce(text, sa.String) + sa.literal(".000000")
        else:
            moment = sa.literal(START, UtcDateTime) + self.i * sa.literal(timedelta(seconds=1))
        return sa.type_coerce(moment, UtcDateTime)

    def device(self) -> Expression:
        """One of two hundred devices."""
        return sa.literal("camera-") + sa.cast(self.scattered(DEVICE_COUNT), sa.String)

    def scattered(self, below: int) -> Expression:
        """A number from 0, unlike those of the rows beside."""
        return (self.i * 7919) % below

    def share(self) -> Expression:
        """A number from 0 to 1, unlike those of the rows beside."""
        return self.scattered(10_007) / sa.literal(10_007.0)

    def among(self, shares: Mapping[str | None, int], salt: int) -> Expression:
        """One of some values, each in so many of a hundred rows."""
        place, reached, cases = (self.i * salt) % 100, 0, []
        for value, share in shares.items():
            reached += share
            cases.append((place < reached, sa.null() if value is None else sa.literal(value)))
        return sa.case(*cases)


def fill(database: Database, count: int, subjects: Collection[str]) -> None:
    """So many events, samples with their entries of the queue, and packages, as far as these are subjects."""
    SqlDeviceStore(database).register(profile(), START)
    copies = Copies(is_sqlite=database.is_sqlite, count=count)
    with database.transaction(durable=False) as connection:
        if not database.is_sqlite:  # a million lookups of the same key
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(sa.insert(feature_spaces), {"feature_space": SPACE, "dimension_count": 2})
        if EVENTS in subjects:
            _copy(connection, copies, drift_events, event_row(event_record()), _event(copies))
            counted = {"sample_count": SAMPLES_OF_EVENT}
            _copy(connection, copies, drift_event_progress, counted, _progress(copies))
        if SAMPLES in subjects:
            _copy(connection, copies, samples, sample_row(sample_record()), _sample(copies))
            _enter_queue(connection)
        if PACKAGES in subjects:
            _copy(connection, copies, packages, _package(), _package_parts(copies))
    with database.transaction() as connection:
        connection.execute(sa.text("ANALYZE"))


def _copy(
    connection: sa.Connection, copies: Copies, table: sa.Table, row: Mapping[str, Any], overrides: Overrides
) -> None:
    """Rows without indexes, then the indexes: that is many times as fast."""
    values = {
        name: overrides.get(name, sa.literal(row.get(name), table.c[name].type))
        for name in {**row, **overrides}
    }
    query = sa.select(*(value.label(name) for name, value in values.items())).select_from(copies.numbers)
    _without_indexes(
        connection, table, lambda: connection.execute(sa.insert(table).from_select(list(values), query))
    )


def _without_indexes(connection: sa.Connection, table: sa.Table, write: Callable[[], object]) -> None:
    for index in table.indexes:
        index.drop(connection)
    write()
    for index in table.indexes:
        index.create(connection)


def _event(copies: Copies) -> Overrides:
    states = {DriftEventState.RESOLVED.value: 70, DriftEventState.IN_REVIEW.value: 20}
    severities = {severity.value: 22 for severity in Severity}
    return {
        "drift_event_id": copies.identity(),
        "device_id": copies.device(),
        "receive_time": copies.moment(),
        "detect_time": copies.moment(),
        "state": copies.among({**states, DriftEventState.OPEN.value: 10}, 37),
        "type": copies.among({kind.value: 20 for kind in DriftType}, 41),
        "severity": copies.among({**severities, None: 12}, 43),
        "scope": copies.among({DriftScope.SYSTEMIC.value: 5, DriftScope.LOCAL.value: 85, None: 10}, 47),
        "scope_due_time": sa.null(),
    }


def _progress(copies: Copies) -> Overrides:
    return {"drift_event_id": copies.identity(), "device_id": copies.device()}


def _sample(copies: Copies) -> Overrides:
    states = {SampleState.OPEN.value: 90, SampleState.JUDGED.value: 10}
    return {
        "sample_id": copies.identity(),
        "device_id": copies.device(),
        "drift_event_id": copies.identity(copies.i // SAMPLES_OF_EVENT),
        "capture_time": copies.moment(),
        "confidence": copies.share(),
        "distance_score": copies.share(),
        "state": copies.among(states, 37),
    }


def _package() -> Mapping[str, Any]:
    return {
        "device_id": DEVICE_ID,
        "format": "TAR_ZSTD",
        "size_bytes": 1536,
        "sha256": "0" * 64,
        "create_time": START,
        "state": "PROCESSED",
        "error_reason": "",
        "error": "",
        "delay_count": 0,
        "crash_count": 0,
    }


def _package_parts(copies: Copies) -> Overrides:
    return {"package_id": copies.identity(), "receive_time": copies.moment()}


def _enter_queue(connection: sa.Connection) -> None:
    """What waits, with values scattered as those of real samples are."""
    names = ("sample_id", "device_id", "drift_event_id", "capture_time", "distance_score")
    query = sa.select(*(samples.c[name] for name in names), 1 - samples.c.confidence)
    waiting = query.where(samples.c.state == SampleState.OPEN.value)
    statement = sa.insert(queue_entries).from_select([*names, "value"], waiting)
    _without_indexes(connection, queue_entries, lambda: connection.execute(statement))
    sizes = sa.select(queue_entries.c.device_id, sa.func.count()).group_by(queue_entries.c.device_id)
    connection.execute(sa.insert(queue_sizes).from_select(["device_id", "entry_count"], sizes))

"""Metrics and logs of processed packages, in SQL.

No commit here waits for the disk. They are followed by the one that records the step, in the same log: what a power cut
takes of these, it takes of that as well, and the step runs again.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from tinysphere.domain.moments import microseconds
from tinysphere.domain.packages import EntryKind, LogRecord, MetricPoint, PackageDescriptor
from tinysphere.domain.telemetry import LOG_LEVELS, words_of
from tinysphere.errors import SupersededError
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.metric_writes import write_points
from tinysphere.storage.sql.partitions import WRITERS_LOCK
from tinysphere.storage.sql.row_parts import Row
from tinysphere.storage.sql.tables_ingestion import package_steps
from tinysphere.storage.sql.tables_telemetry import log_records, metric_series
from tinysphere.storage.sql.upsert import insert

# Built once: every package needs each of them.
_STEP = (
    package_steps.c.package_id == sa.bindparam("this_id"),
    package_steps.c.kind == sa.bindparam("this_kind"),
)
_TAKEN = sa.select(package_steps.c.record_count).where(*_STEP).with_for_update()
_NOTE = sa.update(package_steps).where(*_STEP).values(record_count=sa.bindparam("record_count"))
_SERIES = sa.select(metric_series.c.name, metric_series.c.series_id).where(
    metric_series.c.device_id == sa.bindparam("this_device"),
    metric_series.c.name.in_(sa.bindparam("names", expanding=True)),
)
_LOCK = sa.select(
    sa.func.pg_advisory_xact_lock_shared(WRITERS_LOCK),
    sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("device_id"), 0)),
)


class SqlTelemetrySink:
    """See `TelemetrySink`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_metrics(
        self, package: PackageDescriptor, first_index: int, points: Sequence[MetricPoint]
    ) -> None:
        """See `TelemetrySink.add_metrics`."""
        with self._taking(package, EntryKind.METRICS, first_index, len(points)) as (connection, known_count):
            if new := points[known_count:]:
                series = _series(connection, package.device_id, {point.name for point in new})
                rows = [(series[one.name], microseconds(one.measure_time), one.value) for one in new]
                write_points(connection, rows)

    def add_logs(self, package: PackageDescriptor, first_index: int, records: Sequence[LogRecord]) -> None:
        """See `TelemetrySink.add_logs`."""
        with self._taking(package, EntryKind.LOGS, first_index, len(records)) as (connection, known_count):
            if new := [_log_row(package.device_id, record) for record in records[known_count:]]:
                connection.execute(sa.insert(log_records), new)

    @contextmanager
    def _taking(
        self, package: PackageDescriptor, kind: EntryKind, first_index: int, count: int
    ) -> Iterator[tuple[sa.Connection, int]]:
        """A transaction, and how many of the records were taken before; at its end all of them are."""
        this = {"this_id": package.package_id, "this_kind": kind.value}
        with self._database.transaction(durable=False) as connection:
            taken = connection.scalar(_TAKEN, this)
            if taken is None:
                raise SupersededError("CLAIM_LOST", f"package {package.package_id} has no step {kind.value}")
            if taken < first_index:
                raise ValueError(f"expected records from {taken} on, got {first_index}")
            _lock(connection, package.device_id)
            yield connection, taken - first_index
            if first_index + count > taken:
                connection.execute(_NOTE, this | {"record_count": first_index + count})


def _lock(connection: sa.Connection, device_id: str) -> None:
    """Let packages of one device take turns: they change the same rows. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"device_id": device_id})


def _series(connection: sa.Connection, device_id: str, names: Collection[str]) -> Mapping[str, int]:
    """Numbers of the device's metrics; new ones are added."""
    found = _known_series(connection, device_id, names)
    if missing := sorted(set(names) - set(found)):
        rows = [{"device_id": device_id, "name": name} for name in missing]
        connection.execute(insert(connection.dialect.name, metric_series).on_conflict_do_nothing(), rows)
        found = _known_series(connection, device_id, names)
    return found


def _known_series(connection: sa.Connection, device_id: str, names: Collection[str]) -> dict[str, int]:
    found = connection.execute(_SERIES, {"this_device": device_id, "names": list(names)})
    return {row.name: row.series_id for row in found}


def _log_row(device_id: str, record: LogRecord) -> Row:
    return {
        "device_id": device_id,
        "level": LOG_LEVELS[record.level],
        "time_us": microseconds(record.log_time),
        "logger": record.logger,
        "message": record.message,
        "words": words_of(f"{record.logger} {record.message}"),
    }

"""Metrics and logs of devices into their tables, inside somebody's transaction."""

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from tinysphere.domain.moments import microseconds
from tinysphere.domain.packages import LogRecord
from tinysphere.domain.telemetry import LOG_LEVELS, words_of
from tinysphere.errors import InvalidRequestError
from tinysphere.storage.ports.telemetry import DeviceRecords
from tinysphere.storage.sql.bulk import insert_rows
from tinysphere.storage.sql.metric_writes import write_points
from tinysphere.storage.sql.partitions import WRITERS_LOCK
from tinysphere.storage.sql.rollups import PointRow
from tinysphere.storage.sql.tables_telemetry import metric_series, words_text
from tinysphere.storage.sql.upsert import insert

_LOG_COLUMNS = ("device_id", "level", "time_us", "logger", "message", "words")

# Built once: every package needs each of them.
_SERIES = sa.select(metric_series.c.device_id, metric_series.c.name, metric_series.c.series_id).where(
    metric_series.c.device_id.in_(sa.bindparam("these_devices", expanding=True)),
    metric_series.c.name.in_(sa.bindparam("names", expanding=True)),
)
_COUNT = sa.select(sa.func.count()).where(metric_series.c.device_id == sa.bindparam("this_device"))
_LOCK_WRITERS = sa.select(sa.func.pg_advisory_xact_lock_shared(WRITERS_LOCK))
_LOCK_DEVICE = sa.select(
    sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("device_id"), 0))
)

_Names = Mapping[str, set[str]]  # of metrics, by device
_Series = Mapping[str, Mapping[str, int]]  # numbers of metrics by device and name


def write_records(connection: sa.Connection, records: Sequence[DeviceRecords], *, names_max: int) -> None:
    """Keep metric points that are not known yet, and log records.

    Raises:
        InvalidRequestError: TOO_MANY_METRICS, a device would have more than ``names_max``.
    """
    names: dict[str, set[str]] = {}
    for one in records:
        names.setdefault(one.device_id, set()).update(point.name for point in one.points)
    _lock(connection, sorted(names))
    series = _series(connection, names, names_max)
    points: list[PointRow] = []
    for one in records:
        known = series[one.device_id]
        points += [(known[name], time_us, value) for name, time_us, value in one.points]
    if points:
        write_points(connection, points)
    dialect_name = connection.dialect.name
    rows = [_log_row(one.device_id, record, dialect_name) for one in records for record in one.logs]
    insert_rows(connection, "log_records", _LOG_COLUMNS, rows)


def _lock(connection: sa.Connection, device_ids: Iterable[str]) -> None:
    """Let packages of one device take turns: they change the same rows. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_WRITERS)
        for device_id in device_ids:
            connection.execute(_LOCK_DEVICE, {"device_id": device_id})


def _series(connection: sa.Connection, names: _Names, names_max: int) -> _Series:
    """Numbers of the devices' metrics; new ones are added."""
    found = _known_series(connection, names)
    missing = [
        {"device_id": device_id, "name": name}
        for device_id in sorted(names)
        for name in sorted(names[device_id])
        if name not in found[device_id]
    ]
    if missing:
        connection.execute(insert(connection.dialect.name, metric_series).on_conflict_do_nothing(), missing)
        _require_few(connection, {row["device_id"] for row in missing}, names_max)
        found = _known_series(connection, names)
    return found


def _known_series(connection: sa.Connection, names: _Names) -> _Series:
    wanted = {"these_devices": list(names), "names": sorted(set().union(*names.values()))}
    found: dict[str, dict[str, int]] = {device_id: {} for device_id in names}
    if wanted["names"]:
        for row in connection.execute(_SERIES, wanted):
            found[row.device_id][row.name] = row.series_id
    return found


def _require_few(connection: sa.Connection, device_ids: Iterable[str], names_max: int) -> None:
    for device_id in sorted(device_ids):
        if connection.execute(_COUNT, {"this_device": device_id}).scalar_one() > names_max:
            raise InvalidRequestError(
                "TOO_MANY_METRICS",
                f"device {device_id} would have more than {names_max} metrics; name fewer, or raise "
                "TINYSPHERE_METRIC_NAMES_MAX and retry the package",
            )


def _log_row(device_id: str, record: LogRecord, dialect_name: str) -> tuple[object, ...]:
    return (
        device_id,
        LOG_LEVELS[record.level],
        microseconds(record.log_time),
        record.logger,
        record.message,
        words_text(words_of(f"{record.logger} {record.message}"), dialect_name),
    )

"""Weeks of a table as PostgreSQL partitions: made ahead, dropped whole when their time is over.

What falls into no week that was made lies in the partition `<table>_rest`: records that came very late.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from tinysphere.domain.moments import microseconds, moment_of
from tinysphere.storage.sql.tables_telemetry import moment_column

WEEK_US = timedelta(days=7) // timedelta(microseconds=1)
AHEAD = timedelta(days=7)

# Writers share it. A row on its way into `_rest` would be refused when its own week is made in that moment.
WRITERS_LOCK = 7_101_000_002
_CHILDREN = sa.text(
    "SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid "
    "WHERE inhparent = CAST(:parent AS regclass)"
)


def keep_weeks(connection: sa.Connection, table: sa.Table, since: datetime, now: datetime) -> None:
    """Have a partition for each week from ``since`` until a week from now, and none before."""
    connection.execute(sa.text("SET LOCAL lock_timeout TO '10s'"))  # a sweep gives way to whoever works
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITERS_LOCK)))
    known = set(connection.scalars(_CHILDREN, {"parent": table.name}))
    first, last = (microseconds(moment) // WEEK_US for moment in (since, now + AHEAD))
    wanted = {_name(table, week): week for week in range(first, last + 1)}
    for name in sorted(known - set(wanted) - {f"{table.name}_rest"}):
        if name < min(wanted):
            connection.execute(sa.text(f"DROP TABLE {name}"))
    for name in sorted(set(wanted) - known):
        _add(connection, table, name, wanted[name])
    connection.execute(
        sa.text(f"DELETE FROM {table.name}_rest WHERE {moment_column(table).name} < :cut"),
        {"cut": microseconds(since)},
    )


def _add(connection: sa.Connection, table: sa.Table, name: str, week: int) -> None:
    """A partition, with what had to wait for it elsewhere."""
    start_us, end_us, moment = week * WEEK_US, (week + 1) * WEEK_US, moment_column(table).name
    for statement in (
        f"CREATE TABLE {name} (LIKE {table.name} INCLUDING ALL)",
        f"WITH moved AS (DELETE FROM {table.name}_rest "
        f"WHERE {moment} >= {start_us} AND {moment} < {end_us} RETURNING *) INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES FROM ({start_us}) TO ({end_us})",
    ):
        connection.execute(sa.text(statement))


def _name(table: sa.Table, week: int) -> str:
    """Named by the week's first day, so that the order of names is that of time."""
    return f"{table.name}_{moment_of(week * WEEK_US).astimezone(UTC):%Y%m%d}"

"""Tables of metrics and logs. Moments are microseconds since 1970 (UTC): buckets are integer arithmetic on them.

On PostgreSQL the two large tables of metrics are partitioned by time. On SQLite, migration 0007 also makes the
full-text index `log_search` over `log_records.words`, and the triggers that keep it.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from tinysphere.domain.telemetry import MetricLevel
from tinysphere.storage.sql.metadata import metadata

# SQLite numbers rows by itself only in a column of this very type.
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class Words(TypeDecorator[Sequence[str]]):
    """Words to search by: a tsvector of exactly these, or text for SQLite's FTS5. Written only, never read."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column's type."""
        return dialect.type_descriptor(postgresql.TSVECTOR() if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str:
        """To the database."""
        return words_text(value or (), dialect.name)


def words_text(words: Sequence[str], dialect_name: str) -> str:
    """Words as that database takes them in; they are letters and digits, so quotes are enough."""
    return " ".join(f"'{word}'" if dialect_name == "postgresql" else word for word in words)


def moment_column(table: sa.Table) -> sa.Column[int]:
    """What orders the rows of a series: a point's moment, or a bucket's beginning."""
    return table.c["time_us" if "time_us" in table.c else "start_us"]


metric_series = sa.Table(
    "metric_series",
    metadata,
    sa.Column("series_id", _Number, primary_key=True),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("name", sa.String(128), nullable=False),
    sa.UniqueConstraint("device_id", "name"),
    sa.Index(None, "name", "device_id"),
)

metric_points = sa.Table(
    "metric_points",
    metadata,
    sa.Column("series_id", sa.BigInteger, primary_key=True),
    sa.Column("time_us", sa.BigInteger, primary_key=True),
    sa.Column("value", sa.Double, primary_key=True),
    sqlite_with_rowid=False,
    postgresql_partition_by="RANGE (time_us)",
)


def _rollup(name: str, **options: Any) -> sa.Table:
    """All points of a series from ``start_us`` until the next bucket; ``last`` is the newest one's value."""
    return sa.Table(
        name,
        metadata,
        sa.Column("series_id", sa.BigInteger, primary_key=True),
        sa.Column("start_us", sa.BigInteger, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("sum", sa.Double, nullable=False),
        sa.Column("min", sa.Double, nullable=False),
        sa.Column("max", sa.Double, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
        sa.Column("last", sa.Double, nullable=False),
        sqlite_with_rowid=False,
        **options,
    )


metric_minutes = _rollup("metric_minutes", postgresql_partition_by="RANGE (start_us)")
metric_hours = _rollup("metric_hours")

for _table in (metric_points, metric_minutes, metric_hours):
    _table.add_is_dependent_on(metric_series)  # a foreign key, but for what it would cost each point

ROLLUP_TABLES = {MetricLevel.MINUTE: metric_minutes, MetricLevel.HOUR: metric_hours}

log_records = sa.Table(
    "log_records",
    metadata,
    sa.Column("log_id", _Number, primary_key=True),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("level", sa.SmallInteger, nullable=False),
    sa.Column("time_us", sa.BigInteger, nullable=False),
    sa.Column("logger", sa.String(128), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("words", Words, nullable=False),
    # A page reads the newest of each level and merges them, so that it never reads a record it does not show.
    sa.Index(None, "level", "time_us", "log_id"),
    sa.Index(None, "device_id", "level", "time_us", "log_id"),
    sa.Index(None, "words", postgresql_using="gin").ddl_if("postgresql"),
)

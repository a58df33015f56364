"""Metrics as time series with rollups, logs that can be searched."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tinysphere.domain.telemetry import words_of
from tinysphere.storage.sql.metadata import UtcDateTime

revision = "0007_telemetry"
down_revision = "0006_package_digests"
branch_labels = None
depends_on = None

BATCH_SIZE = 1000
MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000
LEVELS = "CASE level WHEN 'DEBUG' THEN 10 WHEN 'INFO' THEN 20 WHEN 'WARNING' THEN 30 WHEN 'ERROR' THEN 40 ELSE 50 END"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
WORDS = sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql")

POSTGRESQL = (
    # What lies outside the partitions that the server makes ahead.
    "CREATE TABLE metric_points_rest PARTITION OF metric_points DEFAULT",
    "CREATE TABLE metric_minutes_rest PARTITION OF metric_minutes DEFAULT",
    "CREATE INDEX ix_log_records_words ON log_records USING gin (words)",
)
SQLITE = (
    "CREATE VIRTUAL TABLE log_search USING fts5(words, content='log_records', content_rowid='log_id', "
    'tokenize="unicode61 remove_diacritics 0")',
    "CREATE TRIGGER log_records_added AFTER INSERT ON log_records BEGIN "
    "INSERT INTO log_search (rowid, words) VALUES (new.log_id, new.words); END",
    "CREATE TRIGGER log_records_deleted AFTER DELETE ON log_records BEGIN "
    "INSERT INTO log_search (log_search, rowid, words) VALUES ('delete', old.log_id, old.words); END",
)

FILL_ROLLUP = """
    INSERT INTO {table} (series_id, start_us, count, sum, min, max, last_us, last)
    SELECT series_id, start_us, count(*), sum(value), min(value), max(value), max(time_us),
        max(CASE WHEN time_us = newest_us THEN value END)
    FROM (
        SELECT series_id, time_us, value, time_us - time_us % {width} AS start_us,
            max(time_us) OVER (PARTITION BY series_id, time_us - time_us % {width}) AS newest_us
        FROM metric_points
    ) AS points
    GROUP BY series_id, start_us
"""


def upgrade() -> None:
    """Make the new tables, and move everything over."""
    op.execute(
        "CREATE TEMP TABLE moving_points AS "
        f"SELECT DISTINCT device_id, name, {_microseconds('measure_time')} AS time_us, value FROM metric_points"
    )
    op.execute(
        "CREATE TEMP TABLE moving_logs AS "
        f"SELECT package_id, record_index, device_id, {LEVELS} AS level, {_microseconds('log_time')} AS time_us, "
        "logger, message FROM log_records"
    )
    op.drop_table("metric_points")
    op.drop_table("log_records")
    _create_metrics()
    _create_logs()
    for statement in SQLITE if _is_sqlite() else POSTGRESQL:
        op.execute(statement)
    _move_metrics()
    _move_logs(op.get_bind())
    op.execute("DROP TABLE moving_points")
    op.execute("DROP TABLE moving_logs")


def downgrade() -> None:
    """Make the old tables again, empty: their rows named packages, which nobody remembers."""
    if _is_sqlite():
        op.execute("DROP TABLE log_search")
    for table in ("log_records", "metric_hours", "metric_minutes", "metric_points", "metric_series"):
        op.drop_table(table)
    _create_old(
        "metric_points",
        "measure_time",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
    )
    op.create_index(
        op.f("ix_metric_points_device_id_name_measure_time"),
        "metric_points",
        ["device_id", "name", "measure_time"],
    )
    _create_old(
        "log_records",
        "log_time",
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("logger", sa.String(length=128), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
    )
    op.create_index(op.f("ix_log_records_device_id_log_time"), "log_records", ["device_id", "log_time"])


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _microseconds(column: str) -> str:
    if _is_sqlite():
        return (
            f"CAST(strftime('%s', {column}) AS INTEGER) * 1000000 + CAST(substr({column}, 21, 6) AS INTEGER)"
        )
    return f"CAST(extract(epoch FROM {column}) * 1000000 AS BIGINT)"


def _create_metrics() -> None:
    op.create_table(
        "metric_series",
        sa.Column("series_id", NUMBER, nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("series_id", name=op.f("pk_metric_series")),
        sa.UniqueConstraint("device_id", "name", name=op.f("uq_metric_series_device_id_name")),
    )
    op.create_index(op.f("ix_metric_series_name_device_id"), "metric_series", ["name", "device_id"])
    op.create_table(
        "metric_points",
        sa.Column("series_id", sa.BigInteger(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("series_id", "time_us", "value", name=op.f("pk_metric_points")),
        sqlite_with_rowid=False,
        postgresql_partition_by="RANGE (time_us)",
    )
    _create_rollup("metric_minutes", postgresql_partition_by="RANGE (start_us)")
    _create_rollup("metric_hours")


def _create_rollup(name: str, **options: Any) -> None:
    op.create_table(
        name,
        sa.Column("series_id", sa.BigInteger(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sum", sa.Double(), nullable=False),
        sa.Column("min", sa.Double(), nullable=False),
        sa.Column("max", sa.Double(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("series_id", "start_us", name=op.f(f"pk_{name}")),
        sqlite_with_rowid=False,
        **options,
    )


def _create_logs() -> None:
    op.create_table(
        "log_records",
        sa.Column("log_id", NUMBER, nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("logger", sa.String(length=128), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("words", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_log_records")),
    )
    op.create_index(
        op.f("ix_log_records_level_time_us_log_id"), "log_records", ["level", "time_us", "log_id"]
    )
    op.create_index(
        op.f("ix_log_records_device_id_level_time_us_log_id"),
        "log_records",
        ["device_id", "level", "time_us", "log_id"],
    )


def _move_metrics() -> None:
    op.execute(
        "INSERT INTO metric_series (device_id, name) SELECT DISTINCT device_id, name FROM moving_points"
    )
    op.execute(
        "INSERT INTO metric_points SELECT series_id, time_us, value FROM moving_points "
        "JOIN metric_series USING (device_id, name)"
    )
    op.execute(FILL_ROLLUP.format(table="metric_minutes", width=MINUTE_US))
    op.execute(FILL_ROLLUP.format(table="metric_hours", width=HOUR_US))


def _move_logs(connection: sa.Connection) -> None:
    columns = ("device_id", "level", "time_us", "logger", "message")
    new = sa.table("log_records", *(sa.column(name) for name in columns), sa.column("words", WORDS))
    query = f"SELECT {', '.join(columns)} FROM moving_logs ORDER BY package_id, record_index"
    for rows in connection.execute(sa.text(query)).mappings().partitions(BATCH_SIZE):
        found = (words_of(f"{row['logger']} {row['message']}") for row in rows)
        values = [dict(row) | {"words": " ".join(words)} for row, words in zip(rows, found, strict=True)]
        connection.execute(sa.insert(new), values)


def _create_old(name: str, moment: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("package_id", sa.String(length=36), nullable=False),
        sa.Column("record_index", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column(moment, UtcDateTime(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["package_id"], ["packages.package_id"], name=op.f(f"fk_{name}_package_id_packages")
        ),
        sa.PrimaryKeyConstraint("package_id", "record_index", name=op.f(f"pk_{name}")),
    )

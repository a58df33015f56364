"""What a log search is in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tinysphere.domain.moments import microseconds
from tinysphere.domain.telemetry import LOG_LEVELS, SoughtWord
from tinysphere.storage.ports.telemetry import LogFilter
from tinysphere.storage.sql.tables_telemetry import log_records

_SHOWN = tuple(column for column in log_records.c if column.name != "words")
_log_search = sa.table("log_search", sa.column("rowid", sa.Integer))

LogKey = tuple[datetime, int]


def log_query(
    dialect_name: str, wanted: LogFilter, *, after: LogKey | None, limit: int
) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    """Newest first.

    Without words, each level is read from an index that begins with it, at its newest record: no more rows are read
    than levels times ``limit``. With words, those that hold them are found in the full-text index, and sorted.
    """
    if wanted.words:
        query = sa.select(*_SHOWN).where(
            log_records.c.level >= wanted.minimum_level,
            _holds(dialect_name, wanted.words),
            *_conditions(wanted, after),
        )
        return _newest(query, log_records.c, limit)
    levels = [level for level in LOG_LEVELS.values() if level >= wanted.minimum_level]
    pages = [
        _newest(
            sa.select(*_SHOWN).where(log_records.c.level == level, *_conditions(wanted, after)),
            log_records.c,
            limit,
        ).subquery()
        for level in levels
    ]
    merged = sa.union_all(*(sa.select(page) for page in pages)).subquery()
    return _newest(sa.select(merged), merged.c, limit)


def _newest(query: sa.Select[Any], columns: Any, limit: int) -> sa.Select[Any]:
    return query.order_by(columns.time_us.desc(), columns.log_id.desc()).limit(limit)


def _conditions(wanted: LogFilter, after: LogKey | None) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.device_id is not None:
        found.append(log_records.c.device_id == wanted.device_id)
    if wanted.start_time is not None:
        found.append(log_records.c.time_us >= microseconds(wanted.start_time))
    if wanted.end_time is not None:
        found.append(log_records.c.time_us < microseconds(wanted.end_time))
    if after is not None:
        moment, log_id = after
        key = sa.tuple_(log_records.c.time_us, log_records.c.log_id)
        found.append(key < sa.tuple_(microseconds(moment), log_id))
    return found


def _holds(dialect_name: str, words: Sequence[SoughtWord]) -> sa.ColumnElement[bool]:
    """Words are letters and digits, so quotes are enough."""
    if dialect_name == "sqlite":
        sought = " ".join(f'"{word.text}"{"*" if word.is_beginning else ""}' for word in words)
        matches = sa.column("log_search", sa.Text).match(sought)
        return log_records.c.log_id.in_(sa.select(_log_search.c.rowid).where(matches))
    sought = " & ".join(f"'{word.text}'{':*' if word.is_beginning else ''}" for word in words)
    return log_records.c.words.op("@@", is_comparison=True)(sa.cast(sought, postgresql.TSQUERY))

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


def log_query(wanted: LogFilter, *, after: LogKey | None, limit: int) -> sa.Select[Any]:
    """The newest without regard to words: each level is read from an index that begins with it, at its newest record.

    So no more rows are read than levels times ``limit``.
    """
    return _merged(wanted, _conditions(wanted, after), limit)


def indexed_query(
    dialect_name: str, wanted: LogFilter, *, after: LogKey | None, limit: int
) -> sa.Select[Any]:
    """The newest that hold all words: found in the full-text index, and sorted. For words that few records hold."""
    query = sa.select(*_SHOWN).where(
        log_records.c.level >= wanted.minimum_level,
        _found(dialect_name, wanted.words),
        *_conditions(wanted, after),
    )
    return _newest(query, log_records.c, limit)


def match_query(dialect_name: str, words: Sequence[SoughtWord], most: int) -> sa.Select[int]:
    """How many records hold all words, counted up to ``most``."""
    if dialect_name == "sqlite":
        matches = sa.select(_log_search.c.rowid).where(_matches(words))
    else:
        matches = sa.select(log_records.c.log_id).where(_found(dialect_name, words))
    return sa.select(sa.func.count()).select_from(matches.limit(most).subquery())


def window_query(wanted: LogFilter, *, after: LogKey | None, row_count: int) -> sa.Select[int]:
    """A moment so that no level has more than ``row_count`` rows from it on; null when no level has."""
    moments = [
        sa.select(log_records.c.time_us)
        .where(log_records.c.level == level, *_conditions(wanted, after))
        .order_by(log_records.c.time_us.desc(), log_records.c.log_id.desc())
        .limit(1)
        .offset(row_count)
        .subquery()
        for level in _levels(wanted)
    ]
    every = sa.union_all(*(sa.select(one) for one in moments)).subquery()
    return sa.select(sa.func.max(every.c.time_us))


def walked_query(
    dialect_name: str, wanted: LogFilter, *, after: LogKey | None, floor_us: int | None, limit: int
) -> sa.Select[Any]:
    """The newest from ``floor_us`` on that hold all words, each row of that time looked at."""
    conditions = _conditions(wanted, after)
    if floor_us is not None:
        conditions.append(log_records.c.time_us >= floor_us)
    return _merged(wanted, [*conditions, *_held(dialect_name, wanted.words)], limit)


def _merged(wanted: LogFilter, conditions: Sequence[sa.ColumnElement[bool]], limit: int) -> sa.Select[Any]:
    pages = [
        _newest(
            sa.select(*_SHOWN).where(log_records.c.level == level, *conditions), log_records.c, limit
        ).subquery()
        for level in _levels(wanted)
    ]
    merged = sa.union_all(*(sa.select(page) for page in pages)).subquery()
    return _newest(sa.select(merged), merged.c, limit)


def _levels(wanted: LogFilter) -> list[int]:
    return [level for level in LOG_LEVELS.values() if level >= wanted.minimum_level]


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


def _found(dialect_name: str, words: Sequence[SoughtWord]) -> sa.ColumnElement[bool]:
    """By the full-text index. Words are letters and digits, so quotes are enough."""
    if dialect_name == "sqlite":
        return log_records.c.log_id.in_(sa.select(_log_search.c.rowid).where(_matches(words)))
    sought = " & ".join(f"'{word.text}'{':*' if word.is_beginning else ''}" for word in words)
    return log_records.c.words.op("@@", is_comparison=True)(sa.cast(sought, postgresql.TSQUERY))


def _held(dialect_name: str, words: Sequence[SoughtWord]) -> list[sa.ColumnElement[bool]]:
    """By a look at the row itself. SQLite's holds its words with blanks between them."""
    if dialect_name != "sqlite":
        return [_found(dialect_name, words)]
    held = sa.literal(" ") + sa.type_coerce(log_records.c.words, sa.Text) + " "
    return [sa.func.instr(held, f" {word.text}{'' if word.is_beginning else ' '}") > 0 for word in words]


def _matches(words: Sequence[SoughtWord]) -> sa.ColumnElement[bool]:
    sought = " ".join(f'"{word.text}"{"*" if word.is_beginning else ""}' for word in words)
    return sa.column("log_search", sa.Text).match(sought)

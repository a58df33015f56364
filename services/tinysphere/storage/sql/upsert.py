"""INSERT ... ON CONFLICT for both databases."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

Insert = sqlite.Insert | postgresql.Insert


def insert(dialect_name: str, table: sa.Table) -> Insert:
    """An INSERT with `on_conflict_do_update` and `on_conflict_do_nothing` of that dialect."""
    return sqlite.insert(table) if dialect_name == "sqlite" else postgresql.insert(table)


def insert_free(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    returning: sa.Column[Any] | None = None,
) -> frozenset[str]:
    """Adds the rows whose key is free and returns their keys: of the first key column, unless another is named."""
    if not rows:
        return frozenset()
    key = next(iter(table.primary_key)) if returning is None else returning
    return frozenset(connection.execute(_insert_free(connection.dialect.name, table, key), rows).scalars())


@cache  # building a statement costs more than running it; there are as many as tables
def _insert_free(dialect_name: str, table: sa.Table, key: sa.Column[Any]) -> ReturningInsert[Any]:
    return insert(dialect_name, table).on_conflict_do_nothing().returning(key)


def greatest(
    dialect_name: str, first: sa.ColumnElement[int], second: sa.ColumnElement[int]
) -> sa.ColumnElement[int]:
    """The larger of two values: SQLite's two-argument MAX, PostgreSQL's GREATEST."""
    function = sa.func.max if dialect_name == "sqlite" else sa.func.greatest
    larger: sa.ColumnElement[int] = function(first, second)
    return larger

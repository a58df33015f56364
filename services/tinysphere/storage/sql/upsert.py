"""INSERT ... ON CONFLICT for both databases."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Insert = sqlite.Insert | postgresql.Insert


def insert(dialect_name: str, table: sa.Table) -> Insert:
    """An INSERT with `on_conflict_do_update` and `on_conflict_do_nothing` of that dialect."""
    return sqlite.insert(table) if dialect_name == "sqlite" else postgresql.insert(table)


def greatest(
    dialect_name: str, first: sa.ColumnElement[int], second: sa.ColumnElement[int]
) -> sa.ColumnElement[int]:
    """The larger of two values: SQLite's two-argument MAX, PostgreSQL's GREATEST."""
    function = sa.func.max if dialect_name == "sqlite" else sa.func.greatest
    larger: sa.ColumnElement[int] = function(first, second)
    return larger

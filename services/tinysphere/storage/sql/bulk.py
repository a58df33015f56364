"""Many rows in one go: COPY on PostgreSQL, one prepared statement on SQLite. Both take plain tuples."""

import io
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import sqlalchemy as sa

_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def insert_rows(
    connection: sa.Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Add rows of numbers and texts, all or none.

    Raises:
        sqlalchemy.exc.IntegrityError: a key is taken; the transaction, or its savepoint, has to be rolled back.
    """
    if not rows:
        return
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(rows))
        return
    statement = f"COPY {table} ({names}) FROM STDIN"
    with _translated(connection, statement), closing(connection.connection.cursor()) as cursor:
        cursor.copy_expert(statement, io.StringIO(_copied(rows)))


def arrays(rows: Sequence[tuple[float, ...]]) -> list[str]:
    """The columns of rows of numbers, each as the text of a PostgreSQL array."""
    return ["{" + ",".join(map(repr, column)) + "}" for column in zip(*rows, strict=True)]


def _copied(rows: Sequence[tuple[Any, ...]]) -> str:
    """What COPY reads: a row a line, its values between tabs. One format for all lines: that is half of the work."""
    has_texts = [isinstance(value, str) for value in rows[0]]
    line = "\t".join("%s" if is_text else "%r" for is_text in has_texts) + "\n"
    if any(has_texts):
        rows = [tuple(map(_escaped, row)) for row in rows]
    return "".join([line % row for row in rows])


def _escaped(value: Any) -> Any:
    return value.translate(_ESCAPED) if isinstance(value, str) else value


@contextmanager
def _translated(connection: sa.Connection, statement: str) -> Iterator[None]:
    """The driver's errors as SQLAlchemy's, which everybody else knows."""
    errors = connection.dialect.loaded_dbapi.Error
    try:
        yield
    except errors as error:
        raise sa.exc.DBAPIError.instance(
            statement, None, error, errors, dialect=connection.dialect
        ) from error

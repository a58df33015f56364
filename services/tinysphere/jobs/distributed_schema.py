"""Tables of procrastinate, in a PostgreSQL schema of their own beside ours.

Procrastinate ships its whole schema for a fresh database, and one file of SQL for every change; it leaves to its
user which of them ran. That is written down in `applied_migrations`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from procrastinate.schema import SchemaManager
from psycopg.conninfo import make_conninfo

from tinysphere.errors import UnavailableError

SCHEMA = "procrastinate"
RETRY_AFTER_S = 5.0
CONNECT_TIMEOUT_S = 10

_LOCK = 7_101_000_002
_RECORD = "INSERT INTO applied_migrations (name) VALUES (%s)"


def conninfo(database_url: str) -> str:
    """How psycopg reaches the tables of procrastinate in our database.

    Args:
        database_url: As libpq knows it, "postgresql://...".
    """
    return make_conninfo(database_url, options=f"-c search_path={SCHEMA}", connect_timeout=CONNECT_TIMEOUT_S)


def migrate(database_url: str) -> None:
    """Bring the tables up to date. Several processes may do so at once: one works, the others wait.

    Raises:
        UnavailableError: JOB_QUEUE_UNAVAILABLE.
    """
    with _connected(database_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])  # until the connection closes
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        connection.execute("CREATE TABLE IF NOT EXISTS applied_migrations (name text PRIMARY KEY)")
        applied = {name for (name,) in connection.execute("SELECT name FROM applied_migrations")}
        if applied:
            for file in _files():
                if file.name not in applied:
                    _apply(connection, file.read_text(encoding="utf-8"), [file])
        else:
            _apply(connection, SchemaManager.get_schema(), _files())


def missing(database_url: str) -> list[str]:
    """Names of the changes that were not applied yet; all of them in a new database.

    Raises:
        UnavailableError: as `migrate`.
    """
    with _connected(database_url) as connection:
        try:
            applied = {name for (name,) in connection.execute("SELECT name FROM applied_migrations")}
        except psycopg.errors.UndefinedTable:
            applied = set()
    return [file.name for file in _files() if file.name not in applied]


@contextmanager
def _connected(database_url: str) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise UnavailableError(
            "JOB_QUEUE_UNAVAILABLE", f"the queue of jobs is away: {error}", retry_after_s=RETRY_AFTER_S
        ) from error


def _files() -> list[Path]:
    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def _apply(connection: psycopg.Connection, statements: str, files: Sequence[Path]) -> None:
    with connection.transaction():
        connection.execute(statements)
        connection.cursor().executemany(_RECORD, [[file.name] for file in files])

"""One database by URL: SQLite or PostgreSQL, transactions, migrations."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

# Whole, before any thread begins: a query fails while MLflow, in a thread of its own, is half way through loading it.
import sqlalchemy.orm

from tinysphere.errors import ExhaustedError, TinySphereError, UnavailableError
from tinysphere.storage.sql import schema

BUSY_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 10
WAL_RETRY_S = 0.02
POOL_SIZE = 8
POOL_OVERFLOW = 24
RETRY_AFTER_S = 5.0
FULL_RETRY_AFTER_S = 60.0

_READ_ONLY = "tinysphere_read_only"
_DURABLE = "tinysphere_durable"
_ASYNCHRONOUS = sa.text("SET LOCAL synchronous_commit TO OFF")
_MIGRATION_LOCK = 7_101_000_001
_SQLITE_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SQLITE_AWAY = (*_SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_POSTGRES_FULL = "53"  # class "insufficient resources"


class Database:
    """Hands out transactions. One object per process and URL; threads share it."""

    def __init__(self, url: str) -> None:
        self._url = normalised(url)
        self.dialect_name = self._url.get_backend_name()
        self.is_sqlite = self.dialect_name == "sqlite"
        # SQLite takes one writer; waiting here is fair and cheap, waiting in SQLite is polling.
        self._writer: AbstractContextManager[Any] = threading.Lock() if self.is_sqlite else nullcontext()
        self._engine = sa.create_engine(
            self._url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_pre_ping=not self.is_sqlite,
            connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
            if self.is_sqlite
            else {"connect_timeout": CONNECT_TIMEOUT_S},
        )
        if self.is_sqlite:
            Path(self._url.database or "").absolute().parent.mkdir(parents=True, exist_ok=True)
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        else:
            sa.event.listen(self._engine, "connect", _prepare_postgresql)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """A transaction that may write: committed at the end, rolled back on an error.

        Args:
            durable: Whether the commit waits for the disk. Without, a crash of the process still loses nothing,
                and a power cut may lose the last transactions as if they had never been.

        Raises:
            UnavailableError: DATABASE_UNAVAILABLE, worth repeating.
            ExhaustedError: DATABASE_FULL.
        """
        with _translated(), self._writer, self._begun({_DURABLE: durable}) as connection:
            if not durable and not self.is_sqlite:
                connection.execute(_ASYNCHRONOUS)
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that only reads; on SQLite it neither waits for the writer nor holds it up."""
        with _translated(), self._begun({_READ_ONLY: True}) as connection:
            yield connection

    @contextmanager
    def _begun(self, options: dict[str, bool]) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection:
            connection.execution_options(**options)
            with connection.begin():
                yield connection

    def migrate(self) -> None:
        """Bring the schema up to date. Several processes may do so at once: one works, the others wait."""
        with self.transaction() as connection:
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            schema.upgrade(connection)

    def schema_state(self) -> schema.SchemaState:
        """Which revision the schema has; changes nothing."""
        with self.reading() as connection:
            return schema.state(connection)

    def time(self) -> datetime | None:
        """What the database's host calls now; None where that is this host."""
        if self.is_sqlite:
            return None
        with self.reading() as connection:
            moment: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return moment

    def check(self) -> None:
        """Make sure that the database answers.

        Raises:
            UnavailableError: DATABASE_UNAVAILABLE.
        """
        with self.reading() as connection:
            connection.execute(sa.select(1))

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def libpq_url(self) -> str:
        """The URL with its password, as PostgreSQL's own library reads it."""
        return self._url.set(drivername="postgresql").render_as_string(hide_password=False)

    def dispose(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def normalised(url: str) -> sa.URL:
    """The URL with our driver: SQLAlchemy 2.1 reads `postgresql://` as psycopg 3."""
    parsed = sa.make_url(url)
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg2")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError(f"expected a sqlite or postgresql URL, got {parsed.drivername}")
    return parsed


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN is too late for reads and DDL
    _switch_to_wal(connection)
    connection.execute("PRAGMA foreign_keys=ON").close()


def _prepare_postgresql(connection: Any, _record: object) -> None:
    # East of Greenwich, the last hours of the year 9999 would come back as a year that Python lacks.
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait by itself here: processes that open a new file at once would refuse each other.
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(WAL_RETRY_S)


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if options.get(_READ_ONLY):
        connection.exec_driver_sql("BEGIN")
        return
    level = "FULL" if options.get(_DURABLE, True) else "NORMAL"
    if connection.info.get("synchronous") != level:
        connection.exec_driver_sql(f"PRAGMA synchronous={level}")
        connection.info["synchronous"] = level
    # A read lock cannot be upgraded while another writes: writers take the write lock first.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        meant = _meaning(error)
        if meant is None:
            raise
        raise meant from error


def _meaning(error: sa.exc.SQLAlchemyError) -> TinySphereError | None:
    """What a database error is to the caller; None for a mistake of ours."""
    cause = getattr(error, "orig", None)
    if isinstance(cause, sqlite3.Error):
        primary_code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if primary_code == sqlite3.SQLITE_FULL:
            return _full()
        return _away() if primary_code in _SQLITE_AWAY else None
    if (getattr(cause, "pgcode", None) or "").startswith(_POSTGRES_FULL):
        return _full()
    return _away()


def _full() -> ExhaustedError:
    return ExhaustedError("DATABASE_FULL", "the database is full", retry_after_s=FULL_RETRY_AFTER_S)


def _away() -> UnavailableError:
    return UnavailableError(
        "DATABASE_UNAVAILABLE", "the database is away or busy", retry_after_s=RETRY_AFTER_S
    )

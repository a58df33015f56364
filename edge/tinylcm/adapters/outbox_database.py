"""The outbox's database file: its tables, their version, and what to do with a damaged one.

SQLite knows its pages but not their content: a bit that flips inside a value goes unnoticed. So every row carries a
seal over its other columns, which triggers keep current whoever changes the row, and which is checked at each start.
"""

import hashlib
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

from tinylcm.errors import StateError

SCHEMA_VERSION = 1

_LOGGER = logging.getLogger(__name__)
_TABLES = """
CREATE TABLE packages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    package_id TEXT NOT NULL UNIQUE,
    priority INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    create_time TEXT NOT NULL,
    attempt_count INTEGER NOT NULL,
    mismatch_count INTEGER NOT NULL,
    running_s REAL NOT NULL,
    checkpoint INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('STAGED', 'READY', 'ASIDE')),
    reason TEXT NOT NULL DEFAULT '',
    seal TEXT NOT NULL DEFAULT ''
);
CREATE INDEX packages_by_urgency ON packages (state, priority, sequence);
CREATE TABLE messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    content BLOB NOT NULL,
    checkpoint INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('STAGED', 'READY')),
    seal TEXT NOT NULL DEFAULT ''
);
CREATE TABLE "values" (name TEXT PRIMARY KEY, content TEXT NOT NULL, seal TEXT NOT NULL DEFAULT '');
"""
_TRIGGER = """
CREATE TRIGGER seal_{table}_{event} AFTER {event} {of_columns} ON "{table}" BEGIN
    UPDATE "{table}" SET seal = seal({columns}) WHERE rowid = new.rowid;
END;
"""
_SEALED = {
    "packages": "sequence, package_id, priority, size_bytes, sha256, create_time, attempt_count, mismatch_count,"
    " running_s, checkpoint, state, reason",
    "messages": "sequence, kind, content, checkpoint, state",
    "values": "name, content",
}

_CACHE_KIB = 256
"""Of SQLite's 2 MiB: rows are few and small, and read once."""

_PRIMARY_CODE = 0xFF
_NOT_DAMAGE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
}


def open_database(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Opens the file, and says whether it was made new.

    A damaged file is moved aside, and a new one begun with those of its rows whose seal is whole.

    Raises:
        StateError: A newer TinyLCM wrote the file.
    """
    try:
        return _open(path)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter when SQLite quotes damaged text
        if getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE in _NOT_DAMAGE:
            raise
        aside = _move_aside(path, error)
        database, _ = _open(path)
        _LOGGER.error("%d rows of %s could be kept", _salvage(aside, database), aside.name)
        return database, True


def _open(path: Path) -> tuple[sqlite3.Connection, bool]:
    database = sqlite3.connect(path, check_same_thread=False, timeout=10.0)
    try:
        database.create_function("seal", -1, _seal, deterministic=True)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        is_new = _check_schema(database, path)
        if is_new:
            database.executescript(f"BEGIN;{_schema()}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
        else:
            _check_content(database)
    except BaseException:
        database.close()
        raise
    return database, is_new


@cache
def _schema() -> str:
    triggers = [
        _TRIGGER.format(table=table, event=event, columns=columns, of_columns=of_columns)
        for table, columns in _SEALED.items()
        for event, of_columns in (("INSERT", ""), ("UPDATE", f"OF {columns}"))
    ]
    return _TABLES + "".join(triggers)


def _check_schema(database: sqlite3.Connection, path: Path) -> bool:
    """Returns whether the file is new; one whose tables are ours under another number is damaged, not newer."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    found = _definitions(database)
    if version == 0 and not found:
        return True
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(_schema())
        are_ours = found == _definitions(fresh)
    if version != SCHEMA_VERSION and not are_ours:
        raise StateError(f"{path.name} has schema {version}; this device reads {SCHEMA_VERSION}")
    if version != SCHEMA_VERSION or not are_ours:
        raise sqlite3.DatabaseError("its schema is damaged")
    return False


def _definitions(database: sqlite3.Connection) -> list[tuple[str, ...]]:
    return database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()


def _check_content(database: sqlite3.Connection) -> None:
    (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    for table in _SEALED:
        for row, is_whole in _sealed_rows(database, table):
            if not is_whole:
                raise sqlite3.DatabaseError(f"row {row[0]!r:.40} of {table} does not fit its seal")


def _sealed_rows(database: sqlite3.Connection, table: str) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Yields the rows of a table without their seals, and whether the seal fits."""
    database.text_factory = lambda text: text.decode(errors="replace")  # a flipped bit may end the UTF-8
    try:
        for *row, seal in database.execute(f'SELECT {_SEALED[table]}, seal FROM "{table}"'):
            yield tuple(row), seal == _seal(*row)
    finally:
        database.text_factory = str


def _seal(*values: str | float | bytes | None) -> str:
    return hashlib.blake2b(repr(values).encode(), digest_size=8).hexdigest()


def _move_aside(path: Path, reason: Exception) -> Path:
    """Keeps the damaged file and its log for people to look at; one set, so that damage never fills the disk."""
    aside = path.with_name(f"{path.name}.damaged")
    _LOGGER.error("%s is damaged (%s): kept as %s, a new one begins", path.name, reason, aside.name)
    for suffix in ("", "-wal"):
        source, target = (it.with_name(it.name + suffix) for it in (path, aside))
        target.unlink(missing_ok=True)
        if source.exists():
            source.rename(target)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    return aside


def _salvage(aside: Path, database: sqlite3.Connection) -> int:
    """Copies the rows whose seal is whole as far as the damaged file can be read, and returns their number."""
    count = 0
    for table, columns in _SEALED.items():
        marks = ", ".join("?" * len(columns.split(",")))
        with (
            suppress(sqlite3.DatabaseError, UnicodeDecodeError),
            closing(sqlite3.connect(f"file:{aside}?mode=ro", uri=True)) as old,
            database,
        ):
            for row, is_whole in _sealed_rows(old, table):
                if is_whole:
                    database.execute(f'INSERT OR IGNORE INTO "{table}" ({columns}) VALUES ({marks})', row)
                    count += 1
    return count

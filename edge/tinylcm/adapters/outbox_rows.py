"""The outbox's database file: its tables and rows, their version, and what to do with a damaged one."""

import logging
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tinylcm.errors import StateError
from tinylcm.ports import OutgoingPackage, Priority

SCHEMA_VERSION = 1

_LOGGER = logging.getLogger(__name__)
_SCHEMA = """
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
    reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX packages_by_urgency ON packages (state, priority, sequence);
CREATE TABLE messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    content BLOB NOT NULL,
    checkpoint INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('STAGED', 'READY'))
);
CREATE TABLE "values" (name TEXT PRIMARY KEY, content TEXT NOT NULL);
"""


PACKAGE_COLUMNS = "package_id, priority, size_bytes, sha256, create_time, attempt_count, mismatch_count"


def open_database(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Opens the file, and says whether it was made new. A damaged file is moved aside and a new one begun.

    Raises:
        StateError: A newer TinyLCM wrote the file.
    """
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # locked or unreadable, not damaged
        _move_aside(path, error)
        return _open(path)


def _open(path: Path) -> tuple[sqlite3.Connection, bool]:
    database = sqlite3.connect(path, check_same_thread=False, timeout=10.0)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            database.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
        elif version != SCHEMA_VERSION:
            raise StateError(f"{path.name} has schema {version}; this device reads {SCHEMA_VERSION}")
    except BaseException:
        database.close()
        raise
    return database, version == 0


def _move_aside(path: Path, reason: Exception) -> None:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    _LOGGER.error("%s is damaged (%s): kept as %s, a new one begins", path.name, reason, aside.name)
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _columns(package: OutgoingPackage) -> tuple[str | int, ...]:
    return (
        package.package_id,
        int(package.priority),
        package.size_bytes,
        package.sha256,
        package.create_time.isoformat(),
        package.attempt_count,
        package.mismatch_count,
    )


def insert_packages(
    database: sqlite3.Connection,
    packages: Sequence[OutgoingPackage],
    running_s: float,
    checkpoint: int,
    state: str,
) -> None:
    """Adds rows for packages whose files are durable."""
    database.executemany(
        f"INSERT INTO packages ({PACKAGE_COLUMNS}, running_s, checkpoint, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*_columns(package), running_s, checkpoint, state) for package in packages],
    )


def package(row: tuple[str, int, int, str, str, int, int]) -> OutgoingPackage:
    """Reads a row of `PACKAGE_COLUMNS`."""
    package_id, priority, size_bytes, sha256, create_time, attempt_count, mismatch_count = row
    return OutgoingPackage(
        package_id=package_id,
        priority=Priority(priority),
        size_bytes=size_bytes,
        sha256=sha256,
        create_time=datetime.fromisoformat(create_time),
        attempt_count=attempt_count,
        mismatch_count=mismatch_count,
    )


def set_value(database: sqlite3.Connection, name: str, value: str) -> None:
    """Adds or replaces a value of the device."""
    database.execute(
        'INSERT INTO "values" (name, content) VALUES (?, ?)'
        " ON CONFLICT (name) DO UPDATE SET content = excluded.content",
        (name, value),
    )

"""The outbox's rows, as records and back."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from tinylcm.ports import OutgoingPackage, Priority

PACKAGE_COLUMNS = "package_id, priority, size_bytes, sha256, create_time, attempt_count, mismatch_count"


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

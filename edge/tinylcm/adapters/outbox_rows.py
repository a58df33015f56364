"""The outbox's rows: every statement by name, as records and back; the caller holds the lock or the transaction.

A row is STAGED under a checkpoint, READY to be sent, or ASIDE, where no server will ever take it.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from tinylcm.ports import Message, MessageKind, NewMessage, OutboxTotals, OutgoingPackage, Priority

READY, STAGED, ASIDE = "READY", "STAGED", "ASIDE"

_COLUMNS = "package_id, priority, size_bytes, sha256, create_time, attempt_count, mismatch_count"


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
        f"INSERT INTO packages ({_COLUMNS}, running_s, checkpoint, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*_columns(package), running_s, checkpoint, state) for package in packages],
    )


def insert_messages(
    database: sqlite3.Connection,
    messages: Sequence[NewMessage],
    *,
    most: int,
    checkpoint: int,
    state: str,
) -> None:
    """Adds messages, and drops the oldest beyond ``most``.

    Both kinds come again by another way: events inside packages, feedback until it is acknowledged.
    """
    database.executemany(
        "INSERT INTO messages (kind, content, checkpoint, state) VALUES (?, ?, ?, ?)",
        [(int(new.kind), new.content, checkpoint, state) for new in messages],
    )
    database.execute(
        "DELETE FROM messages WHERE sequence <= (SELECT max(sequence) FROM messages) - ?", (most,)
    )


def release(database: sqlite3.Connection, checkpoint: int) -> None:
    """Makes ready what is staged under ``checkpoint`` or an earlier one."""
    for table in ("packages", "messages"):
        database.execute(
            f"UPDATE {table} SET state = ? WHERE state = ? AND checkpoint <= ?", (READY, STAGED, checkpoint)
        )


def forget_staged(database: sqlite3.Connection) -> list[str]:
    """Deletes what is staged, and returns the ids of the packages among it."""
    database.execute("DELETE FROM messages WHERE state = ?", (STAGED,))
    staged = database.execute("SELECT package_id FROM packages WHERE state = ?", (STAGED,)).fetchall()
    database.execute("DELETE FROM packages WHERE state = ?", (STAGED,))
    return [package_id for (package_id,) in staged]


def delete_packages(database: sqlite3.Connection, package_ids: Sequence[str]) -> None:
    """Deletes packages."""
    database.executemany("DELETE FROM packages WHERE package_id = ?", [(it,) for it in package_ids])


def mark(database: sqlite3.Connection) -> int:
    """Returns how many rows were ever put in."""
    (count,) = database.execute("SELECT coalesce(sum(seq), 0) FROM sqlite_sequence").fetchone()
    return int(count)


def package_ids(database: sqlite3.Connection) -> list[str]:
    """Returns the ids of all packages."""
    return [package_id for (package_id,) in database.execute("SELECT package_id FROM packages").fetchall()]


def by_eviction(database: sqlite3.Connection) -> list[tuple[str, int, Priority]]:
    """Returns id, size in bytes and priority of all packages, what is given up first at the front."""
    stored = database.execute(
        "SELECT package_id, size_bytes, priority FROM packages ORDER BY priority DESC, sequence"
    ).fetchall()
    return [(package_id, size_bytes, Priority(priority)) for package_id, size_bytes, priority in stored]


def older_than(database: sqlite3.Connection, running_s: float) -> list[str]:
    """Returns the ids of packages put in before the device had been running for so long."""
    stored = database.execute("SELECT package_id FROM packages WHERE running_s < ?", (running_s,)).fetchall()
    return [package_id for (package_id,) in stored]


def next_package(database: sqlite3.Connection, skipping: Sequence[str]) -> OutgoingPackage | None:
    """Returns the most urgent package that is ready, see `SqliteOutbox.next_package`."""
    marks = ", ".join("?" * len(skipping))
    row = database.execute(
        f"SELECT {_COLUMNS} FROM packages WHERE state = ? AND package_id NOT IN ({marks})"
        " ORDER BY priority, attempt_count / 8, sequence LIMIT 1",
        (READY, *skipping),
    ).fetchone()
    return None if row is None else _package(row)


def messages(database: sqlite3.Connection, kind: MessageKind, limit: int) -> list[Message]:
    """Returns the oldest messages of a kind that are ready."""
    found = database.execute(
        "SELECT sequence, content FROM messages WHERE kind = ? AND state = ? ORDER BY sequence LIMIT ?",
        (int(kind), READY, limit),
    ).fetchall()
    return [Message(sequence=sequence, content=content) for sequence, content in found]


def totals(database: sqlite3.Connection, evicted_count: int) -> OutboxTotals:
    """Counts what waits."""
    package_count, size_bytes = database.execute(
        "SELECT count(*), coalesce(sum(size_bytes), 0) FROM packages WHERE state != ?", (ASIDE,)
    ).fetchone()
    (message_count,) = database.execute("SELECT count(*) FROM messages").fetchone()
    return OutboxTotals(
        package_count=package_count,
        size_bytes=size_bytes,
        message_count=message_count,
        evicted_count=evicted_count,
    )


def _package(row: tuple[str, int, int, str, str, int, int]) -> OutgoingPackage:
    """Reads a row of `_COLUMNS`."""
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


def value(database: sqlite3.Connection, name: str) -> str | None:
    """Returns a value of the device, or None."""
    row = database.execute('SELECT content FROM "values" WHERE name = ?', (name,)).fetchone()
    return None if row is None else str(row[0])


def set_value(database: sqlite3.Connection, name: str, value: str) -> None:
    """Adds or replaces a value of the device."""
    database.execute(
        'INSERT INTO "values" (name, content) VALUES (?, ?)'
        " ON CONFLICT (name) DO UPDATE SET content = excluded.content",
        (name, value),
    )

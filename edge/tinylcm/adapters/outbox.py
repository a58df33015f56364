"""What waits to be sent: packages as files with a row each, small messages and device values as rows.

Durability. SQLite in WAL mode with ``synchronous=FULL``: what a method stored is still there after a power cut. A
package's file is synced before its row is; a file without a row is swept by `recover`, a row without a
file never exists.

Checkpoints. Evidence is *staged* under the number of the checkpoint that is being made, and may not be sent before
the snapshot of that checkpoint is durable; then `release` sets it free. `recover` at start releases what belongs to
the newest snapshot or an older one and forgets what came after it, since the frames it was made from are
processed again. So nothing is sent twice under two ids, and nothing is lost between snapshot and outbox.

Damage. Rows are checked at the start (`outbox_database`), a package's file before it is sent (`is_whole`). What SQLite
drops without a word is the tail of a damaged write-ahead log; so each snapshot notes the `mark` that the outbox had,
and an outbox that stands behind it takes up the packages whose rows are gone.

Bounds. While there are more than `max_bytes`, packages are given up: the least urgent first, of these the oldest first,
but for a new package never a more urgent one than itself; if that is not enough, the new one is given up. When the disk
itself is full, the same order makes room. Packages older than `max_age_s` leave in `sweep`; age counts the time the
device was running, since its clock may jump.
"""

import hashlib
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from tinylcm.adapters import outbox_rows as rows
from tinylcm.adapters.files import make_folder, sweep_unfinished, sync_folder, write_durably
from tinylcm.adapters.frames import is_whole_frame
from tinylcm.adapters.outbox_database import open_database
from tinylcm.errors import StorageFullError
from tinylcm.ports import (
    Clock,
    Message,
    MessageKind,
    NewMessage,
    NewPackage,
    OutboxTotals,
    OutgoingPackage,
    Priority,
)

MAX_MESSAGES = 4096

_LOGGER = logging.getLogger(__name__)
_SUFFIX = ".tar.zst"
_READY, _STAGED, _ASIDE = "READY", "STAGED", "ASIDE"


class SqliteOutbox:
    """The outbox of one device; safe for threads, not for two processes."""

    def __init__(self, folder: Path, *, max_bytes: int, max_age_s: float, clock: Clock) -> None:
        self._folder = make_folder(folder / "packages")
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._lock = threading.RLock()
        self._database, is_new = open_database(folder / "outbox.db")
        self._running_base_s = float(self.value("running_s") or 0)
        self._started_s = clock.monotonic_s()
        sweep_unfinished(self._folder)
        if is_new:
            self._adopt_files()

    def close(self) -> None:
        """Closes the database."""
        with self._lock:
            self._database.close()

    def put(
        self,
        packages: Sequence[NewPackage] = (),
        messages: Sequence[NewMessage] = (),
        *,
        checkpoint: int | None = None,
    ) -> None:
        """Stores durably, in one transaction, what the bounds allow; ready to be sent, or staged under ``checkpoint``.

        Raises:
            StorageFullError: The disk is full; nothing was stored.
        """
        with self._lock:
            accepted: list[NewPackage] = []
            for new in packages:
                if self._make_room(new.package, sum(it.package.size_bytes for it in accepted)):
                    accepted.append(new)
            most_urgent = min((new.package.priority for new in accepted), default=Priority.DRIFT)
            while True:
                try:
                    return self._store(accepted, messages, checkpoint)
                except StorageFullError:
                    if not self.give_up_one(most_urgent):
                        raise

    def give_up_one(self, most_urgent: Priority) -> bool:
        """Makes room on a full disk: gives up the first in the order of eviction, if it is not more urgent than that.

        Its file goes first, since a full disk may not even take the news that a row is gone; a row whose file is
        gone leaves when it is its turn to be sent.
        """
        with self._lock:
            stored = self._database.execute(
                "SELECT package_id FROM packages WHERE priority >= ? ORDER BY priority DESC, sequence",
                (int(most_urgent),),
            ).fetchall()
            for (package_id,) in stored:
                if self.content_path(package_id).exists():
                    self.content_path(package_id).unlink()
                    with suppress(StorageFullError):
                        self._evict([package_id], "the disk is full")
                    return True
        return False

    def _store(
        self, packages: Sequence[NewPackage], messages: Sequence[NewMessage], checkpoint: int | None
    ) -> None:
        try:
            for new in packages:
                write_durably(self.content_path(new.package.package_id), [new.content])
            self._insert(packages, messages, checkpoint)
        except BaseException:
            for new in packages:
                self.content_path(new.package.package_id).unlink(missing_ok=True)
            raise

    def _insert(
        self, packages: Sequence[NewPackage], messages: Sequence[NewMessage], checkpoint: int | None
    ) -> None:
        stage = (checkpoint or 0, _READY if checkpoint is None else _STAGED)
        with self._transaction() as database:
            rows.insert_packages(database, [new.package for new in packages], self.running_s(), *stage)
            database.executemany(
                "INSERT INTO messages (kind, content, checkpoint, state) VALUES (?, ?, ?, ?)",
                [(int(new.kind), new.content, *stage) for new in messages],
            )
            self._drop_surplus_messages(database)

    def release(self, checkpoint: int) -> None:
        """Sets everything free that is staged under ``checkpoint`` or an earlier one: its snapshot is durable."""
        with self._transaction() as database:
            for table in ("packages", "messages"):
                database.execute(
                    f"UPDATE {table} SET state = ? WHERE state = ? AND checkpoint <= ?",
                    (_READY, _STAGED, checkpoint),
                )

    def mark(self) -> int:
        """Returns how many rows were ever put in; it never falls while the database is whole."""
        with self._lock:
            (count,) = self._database.execute("SELECT coalesce(sum(seq), 0) FROM sqlite_sequence").fetchone()
        return int(count)

    def recover(self, checkpoint: int, mark: int = 0) -> None:
        """Brings the outbox in line with the newest snapshot: that of ``checkpoint``, taken at ``mark``."""
        if self.mark() < mark:
            _LOGGER.error("outbox.db lost rows that were durable: at %d of %d", self.mark(), mark)
            self._adopt_files()
        self._sweep_files()
        self.release(checkpoint)
        with self._transaction() as database:
            database.execute("DELETE FROM messages WHERE state = ?", (_STAGED,))
            staged = database.execute(
                "SELECT package_id FROM packages WHERE state = ?", (_STAGED,)
            ).fetchall()
            database.execute("DELETE FROM packages WHERE state = ?", (_STAGED,))
        for (package_id,) in staged:
            self.content_path(package_id).unlink(missing_ok=True)

    def next_package(self, skipping: Sequence[str] = ()) -> OutgoingPackage | None:
        """Returns the most urgent package that may be sent, or None.

        Within a priority the oldest comes first, but every eight attempts a package goes behind those tried less
        often, so that one which the server cannot take does not hold up the rest for ever.
        """
        marks = ", ".join("?" * len(skipping))
        with self._lock:
            row = self._database.execute(
                f"SELECT {rows.PACKAGE_COLUMNS} FROM packages WHERE state = ? AND package_id NOT IN ({marks})"
                " ORDER BY priority, attempt_count / 8, sequence LIMIT 1",
                (_READY, *skipping),
            ).fetchone()
        return None if row is None else rows.package(row)

    def content_path(self, package_id: str) -> Path:
        """Returns where the bytes of a package are; the file is gone once the package was evicted."""
        return self._folder / f"{package_id}{_SUFFIX}"

    def is_whole(self, package: OutgoingPackage) -> bool:
        """Returns whether a package's file still has its digest.

        Raises:
            FileNotFoundError: The package was evicted.
        """
        with self.content_path(package.package_id).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == package.sha256

    def note_attempt(self, package_id: str, *, mismatched: bool = False) -> None:
        """Counts the beginning of an upload, or a refusal of its digest."""
        column = "mismatch_count" if mismatched else "attempt_count"
        with self._transaction() as database:
            database.execute(
                f"UPDATE packages SET {column} = {column} + 1 WHERE package_id = ?", (package_id,)
            )

    def set_aside(self, package_id: str, reason: str) -> None:
        """Keeps a package that the server will never take, without offering it again."""
        _LOGGER.error("package %s is kept aside: %s", package_id, reason)
        with self._transaction() as database:
            database.execute(
                "UPDATE packages SET state = ?, reason = ? WHERE package_id = ?", (_ASIDE, reason, package_id)
            )

    def remove_package(self, package_id: str) -> None:
        """Forgets a package for which a receipt is held."""
        with self._transaction() as database:
            database.execute("DELETE FROM packages WHERE package_id = ?", (package_id,))
        self.content_path(package_id).unlink(missing_ok=True)

    def messages(self, kind: MessageKind, limit: int) -> list[Message]:
        """Returns the oldest messages of a kind that may be sent."""
        with self._lock:
            found = self._database.execute(
                "SELECT sequence, content FROM messages WHERE kind = ? AND state = ? ORDER BY sequence LIMIT ?",
                (int(kind), _READY, limit),
            ).fetchall()
        return [Message(sequence=sequence, content=content) for sequence, content in found]

    def remove_messages(self, sequences: Sequence[int]) -> None:
        """Forgets messages that arrived."""
        with self._transaction() as database:
            database.executemany("DELETE FROM messages WHERE sequence = ?", [(item,) for item in sequences])

    def value(self, name: str) -> str | None:
        """Returns a value of the device that outlives restarts, or None."""
        with self._lock:
            row = self._database.execute('SELECT content FROM "values" WHERE name = ?', (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_value(self, name: str, value: str) -> None:
        """Stores such a value durably."""
        with self._transaction() as database:
            rows.set_value(database, name, value)

    def totals(self) -> OutboxTotals:
        """Counts what waits; packages kept aside do not wait."""
        with self._lock:
            package_count, size_bytes = self._database.execute(
                "SELECT count(*), coalesce(sum(size_bytes), 0) FROM packages WHERE state != ?", (_ASIDE,)
            ).fetchone()
            (message_count,) = self._database.execute("SELECT count(*) FROM messages").fetchone()
        return OutboxTotals(
            package_count=package_count,
            size_bytes=size_bytes,
            message_count=message_count,
            evicted_count=int(self.value("evicted_count") or 0),
        )

    def running_s(self) -> float:
        """Returns how long the device has been running, over all its starts, to the last `sweep` exactly."""
        return self._running_base_s + self._clock.monotonic_s() - self._started_s

    def sweep(self) -> None:
        """Drops packages that are too old; to be called once a minute."""
        running_s = self.running_s()
        with self._lock:
            old = self._database.execute(
                "SELECT package_id FROM packages WHERE running_s < ?", (running_s - self._max_age_s,)
            ).fetchall()
            self._evict([package_id for (package_id,) in old], "too old")
            self.set_value("running_s", repr(running_s))

    def _make_room(self, package: OutgoingPackage, reserved_bytes: int) -> bool:
        """Evicts for a new package; False when it is the one to be given up."""
        stored = self._database.execute(
            "SELECT package_id, size_bytes, priority FROM packages ORDER BY priority DESC, sequence"
        ).fetchall()
        excess: int = sum(row[1] for row in stored) + reserved_bytes + package.size_bytes - self._max_bytes
        chosen: list[str] = []
        for package_id, size_bytes, priority in stored:
            if excess <= 0 or priority < package.priority:
                break
            chosen.append(package_id)
            excess -= size_bytes
        self._evict(chosen if excess <= 0 else [package.package_id], "the outbox is full")
        return excess <= 0

    def _evict(self, package_ids: Sequence[str], reason: str) -> None:
        if not package_ids:
            return
        _LOGGER.warning("%d packages are given up: %s", len(package_ids), reason)
        with self._transaction() as database:
            database.executemany("DELETE FROM packages WHERE package_id = ?", [(it,) for it in package_ids])
            evicted_count = int(self.value("evicted_count") or 0) + len(package_ids)
            rows.set_value(database, "evicted_count", str(evicted_count))
        for package_id in package_ids:
            self.content_path(package_id).unlink(missing_ok=True)

    def _drop_surplus_messages(self, database: sqlite3.Connection) -> None:
        # Both kinds come again by another way: events inside packages, feedback until it is acknowledged.
        database.execute(
            "DELETE FROM messages WHERE sequence <= (SELECT max(sequence) FROM messages) - ?", (MAX_MESSAGES,)
        )

    def _sweep_files(self) -> None:
        """Removes what a `put` left behind that was cut before its rows were there."""
        orphans = self._orphans()
        for path in orphans:
            path.unlink()
        if orphans:
            _LOGGER.warning("%d package files without a row are removed", len(orphans))
            sync_folder(self._folder)

    def _adopt_files(self) -> None:
        """Takes up the packages whose rows were lost with a damaged database, damaged ones excepted."""
        packages = []
        for path in self._orphans():
            content = path.read_bytes()
            if not is_whole_frame(content):
                _LOGGER.error("package file %s is damaged and not taken up", path.name)
                path.rename(path.with_suffix(".damaged"))
                continue
            packages.append(
                OutgoingPackage(
                    package_id=path.name.removesuffix(_SUFFIX),
                    priority=Priority.SAMPLES,
                    size_bytes=len(content),
                    sha256=hashlib.sha256(content).hexdigest(),
                    create_time=datetime.fromtimestamp(path.stat().st_mtime, UTC),
                )
            )
        with self._transaction() as database:
            rows.insert_packages(database, packages, self.running_s(), 0, _READY)

    def _orphans(self) -> list[Path]:
        with self._lock:
            stored = self._database.execute("SELECT package_id FROM packages").fetchall()
        known = {self.content_path(package_id) for (package_id,) in stored}
        return [path for path in sorted(self._folder.glob(f"*{_SUFFIX}")) if path not in known]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                with self._database:
                    yield self._database
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                    raise StorageFullError(f"no space left for the outbox: {error}") from error
                raise

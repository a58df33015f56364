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

import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tinylcm.adapters import outbox_rows as rows
from tinylcm.adapters.outbox_database import open_database
from tinylcm.adapters.outbox_files import PackageFiles
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


class SqliteOutbox:
    """The outbox of one device; safe for threads, not for two processes."""

    def __init__(self, folder: Path, *, max_bytes: int, max_age_s: float, clock: Clock) -> None:
        self._files = PackageFiles(folder / "packages")
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._lock = threading.RLock()
        self._database, is_new = open_database(folder / "outbox.db")
        self._running_base_s = float(self.value("running_s") or 0)
        self._started_s = clock.monotonic_s()
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
            for package_id, _, priority in rows.by_eviction(self._database):
                if priority >= most_urgent and self.content_path(package_id).exists():
                    self.content_path(package_id).unlink()
                    with suppress(StorageFullError):
                        self._evict([package_id], "the disk is full")
                    return True
        return False

    def _store(
        self, packages: Sequence[NewPackage], messages: Sequence[NewMessage], checkpoint: int | None
    ) -> None:
        try:
            self._files.write(packages)
            self._insert(packages, messages, checkpoint)
        except BaseException:
            self._files.remove(new.package.package_id for new in packages)
            raise

    def _insert(
        self, packages: Sequence[NewPackage], messages: Sequence[NewMessage], checkpoint: int | None
    ) -> None:
        number, state = checkpoint or 0, rows.READY if checkpoint is None else rows.STAGED
        with self._transaction() as database:
            rows.insert_packages(database, [new.package for new in packages], self.running_s(), number, state)
            rows.insert_messages(database, messages, most=MAX_MESSAGES, checkpoint=number, state=state)

    def release(self, checkpoint: int) -> None:
        """Sets everything free that is staged under ``checkpoint`` or an earlier one: its snapshot is durable."""
        with self._transaction() as database:
            rows.release(database, checkpoint)

    def mark(self) -> int:
        """Returns how many rows were ever put in; it never falls while the database is whole."""
        with self._lock:
            return rows.mark(self._database)

    def recover(self, checkpoint: int, mark: int = 0) -> None:
        """Brings the outbox in line with the newest snapshot: that of ``checkpoint``, taken at ``mark``."""
        if self.mark() < mark:
            _LOGGER.error("outbox.db lost rows that were durable: at %d of %d", self.mark(), mark)
            self._adopt_files()
        self._files.sweep(self._package_ids())
        self.release(checkpoint)
        with self._transaction() as database:
            staged = rows.forget_staged(database)
        self._files.remove(staged)

    def next_package(self, skipping: Sequence[str] = ()) -> OutgoingPackage | None:
        """Returns the most urgent package that may be sent, or None.

        Within a priority the oldest comes first, but every eight attempts a package goes behind those tried less
        often, so that one which the server cannot take does not hold up the rest for ever.
        """
        with self._lock:
            return rows.next_package(self._database, skipping)

    def content_path(self, package_id: str) -> Path:
        """Returns where the bytes of a package are; the file is gone once the package was evicted."""
        return self._files.path(package_id)

    def is_whole(self, package: OutgoingPackage) -> bool:
        """Returns whether a package's file still has its digest.

        Raises:
            FileNotFoundError: The package was evicted.
        """
        return self._files.is_whole(package)

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
                "UPDATE packages SET state = ?, reason = ? WHERE package_id = ?",
                (rows.ASIDE, reason, package_id),
            )

    def remove_package(self, package_id: str) -> None:
        """Forgets a package for which a receipt is held."""
        with self._transaction() as database:
            rows.delete_packages(database, [package_id])
        self._files.remove([package_id])

    def messages(self, kind: MessageKind, limit: int) -> list[Message]:
        """Returns the oldest messages of a kind that may be sent."""
        with self._lock:
            return rows.messages(self._database, kind, limit)

    def remove_messages(self, sequences: Sequence[int]) -> None:
        """Forgets messages that arrived."""
        with self._transaction() as database:
            database.executemany("DELETE FROM messages WHERE sequence = ?", [(item,) for item in sequences])

    def value(self, name: str) -> str | None:
        """Returns a value of the device that outlives restarts, or None."""
        with self._lock:
            return rows.value(self._database, name)

    def set_value(self, name: str, value: str) -> None:
        """Stores such a value durably."""
        with self._transaction() as database:
            rows.set_value(database, name, value)

    def totals(self) -> OutboxTotals:
        """Counts what waits; packages kept aside do not wait."""
        with self._lock:
            return rows.totals(self._database, int(self.value("evicted_count") or 0))

    def running_s(self) -> float:
        """Returns how long the device has been running, over all its starts, to the last `sweep` exactly."""
        return self._running_base_s + self._clock.monotonic_s() - self._started_s

    def sweep(self) -> None:
        """Drops packages that are too old; to be called once a minute."""
        running_s = self.running_s()
        with self._lock:
            self._evict(rows.older_than(self._database, running_s - self._max_age_s), "too old")
            self.set_value("running_s", repr(running_s))

    def _make_room(self, package: OutgoingPackage, reserved_bytes: int) -> bool:
        """Evicts for a new package; False when it is the one to be given up."""
        stored = rows.by_eviction(self._database)
        excess = sum(row[1] for row in stored) + reserved_bytes + package.size_bytes - self._max_bytes
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
            rows.delete_packages(database, package_ids)
            evicted_count = int(self.value("evicted_count") or 0) + len(package_ids)
            rows.set_value(database, "evicted_count", str(evicted_count))
        self._files.remove(package_ids)

    def _adopt_files(self) -> None:
        """Takes up the packages whose rows were lost with a damaged database, damaged ones excepted."""
        packages = self._files.adopt(self._package_ids())
        with self._transaction() as database:
            rows.insert_packages(database, packages, self.running_s(), 0, rows.READY)

    def _package_ids(self) -> list[str]:
        with self._lock:
            return rows.package_ids(self._database)

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

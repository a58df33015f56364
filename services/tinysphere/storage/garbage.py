"""Garbage: blobs that no row needs any more, or none ever came to need.

A blob is stored before its row, so a young one may be on its way to a row: only blobs whose last put is older than the
grace are looked at. That makes the order of steps enough, without a lock across database and blob store: the blob was
put before the grace, its row would be there by now; who puts it again makes it young, and `delete_older` keeps it.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.clock import Clock
from tinysphere.storage.ports.blobs import StoredBlob, SweepableBlobs
from tinysphere.storage.ports.garbage import AuditLog, Cutoffs, DeviceData, References

BATCH = 500
RESERVED = timedelta(days=1)  # a publish that was cut off is repeated before, or never

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept that reached their end; None keeps them for good. See the settings of these names."""

    processed: timedelta | None
    failed: timedelta | None
    files: timedelta | None
    grace: timedelta

    def cutoffs(self, now: datetime) -> Cutoffs:
        """The moments these spans mean now."""
        return Cutoffs(
            processed=_before(now, self.processed),
            failed=_before(now, self.failed),
            files=_before(now, self.files),
            reserved=now - max(RESERVED, self.grace),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a look at all blobs came to; a dry run deletes nothing and counts what it would."""

    seen_count: int
    deleted_count: int
    deleted_bytes: int
    row_count: int = 0


class Collector:
    """Finds garbage and deletes it. Several may run at once."""

    def __init__(
        self,
        blobs: SweepableBlobs,
        references: References,
        audit: AuditLog,
        *,
        retention: Retention,
        clock: Clock,
    ) -> None:
        self._blobs = blobs
        self._references = references
        self._audit = audit
        self._retention = retention
        self._clock = clock

    def run(self, *, actor: str = "server", dry_run: bool = False) -> Swept:
        """Look at every blob once.

        Raises:
            UnavailableError: the database or the blob store is away; what was deleted stays deleted.
        """
        now = self._clock.now()
        cutoffs = self._retention.cutoffs(now)
        row_count = 0 if dry_run else self._references.forget_unneeded(cutoffs)
        counts: Counter[str] = Counter()
        for batch in _batches(self._blobs.stored()):
            counts["seen"] += len(batch)
            for blob in self._garbage(batch, cutoffs, now - self._retention.grace):
                if dry_run or self._blobs.delete_older(blob.sha256, now - self._retention.grace):
                    counts.update(deleted=1, bytes=blob.size_bytes)
        swept = Swept(
            seen_count=counts["seen"],
            deleted_count=counts["deleted"],
            deleted_bytes=counts["bytes"],
            row_count=row_count,
        )
        if not dry_run and (swept.deleted_count or row_count):
            self._tell(swept, actor, now)
        return swept

    def _garbage(self, batch: list[StoredBlob], cutoffs: Cutoffs, grace_start: datetime) -> list[StoredBlob]:
        old = [blob for blob in batch if blob.put_time < grace_start]
        needed = self._references.needed([blob.sha256 for blob in old], cutoffs) if old else set()
        return [blob for blob in old if blob.sha256 not in needed]

    def _tell(self, swept: Swept, actor: str, now: datetime) -> None:
        logger.info("deleted %d blobs of %d bytes", swept.deleted_count, swept.deleted_bytes)
        detail = {"blob_count": swept.deleted_count, "blob_bytes": swept.deleted_bytes}
        self._audit.add(
            AuditRecord(audit_time=now, actor=actor, action="COLLECT_GARBAGE", subject="blobs", detail=detail)
        )


class Forgetting:
    """Deletes what is stored of one device, on request."""

    def __init__(self, data: DeviceData, audit: AuditLog, clock: Clock) -> None:
        self._data = data
        self._audit = audit
        self._clock = clock

    def run(self, device_id: str, *, actor: str, dry_run: bool = False) -> Mapping[str, int]:
        """Delete every row of a device; repeatable. Its blobs are garbage then, and go with the next collection.

        Returns:
            Rows by table.
        """
        if dry_run:
            return self._data.count(device_id)
        deleted = self._data.delete(device_id)
        self._audit.add(
            AuditRecord(
                audit_time=self._clock.now(),
                actor=actor,
                action="FORGET_DEVICE",
                subject=device_id,
                detail={"rows": dict(deleted)},
            )
        )
        return deleted


def _batches(blobs: Iterator[StoredBlob]) -> Iterator[list[StoredBlob]]:
    while batch := list(islice(blobs, BATCH)):
        yield batch


def _before(now: datetime, span: timedelta | None) -> datetime | None:
    return None if span is None else now - span

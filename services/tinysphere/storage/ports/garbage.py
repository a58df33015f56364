"""What the collecting of garbage, and the deletion on request, need of the stores of all services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tinysphere.domain.audit import AuditRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoffs:
    """Until when things are kept that reached their end before; None keeps them for good.

    Attributes:
        processed: Archives of packages whose processing succeeded before that moment.
        failed: Archives of packages that were taken over before, and failed.
        files: Pictures and states out of packages that were taken over before.
        reserved: Versions that somebody began to publish before that moment, and never repeated.
    """

    processed: datetime | None
    failed: datetime | None
    files: datetime | None
    reserved: datetime


class References(Protocol):
    """Which blobs the rows of all services still need. Each method is one transaction."""

    def forget_unneeded(self, cutoffs: Cutoffs) -> int:
        """Delete rows that only kept a blob beyond its time; returns how many."""

    def needed(self, digests: Sequence[str], cutoffs: Cutoffs) -> set[str]:
        """Those of the digests that a row needs."""


class DeviceData(Protocol):
    """All that is stored of one device."""

    def count(self, device_id: str) -> Mapping[str, int]:
        """Rows by table; tables without any are left out."""

    def delete(self, device_id: str) -> Mapping[str, int]:
        """Delete them all in one transaction; rows by table that were deleted."""


class AuditLog(Protocol):
    """Records that are only ever added to."""

    def add(self, record: AuditRecord) -> None:
        """Add one, durably."""

    def newest(self, limit: int) -> Sequence[AuditRecord]:
        """The newest records, newest first."""

"""What the ingestion service needs of a store of packages and uploads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tinysphere.domain.packages import (
    EntryKind,
    ManifestEntry,
    Package,
    PackageDescriptor,
    PackageState,
    PackageStep,
    Upload,
    UploadState,
)
from tinysphere.storage.ports.telemetry import DeviceRecords

SMALL_BYTES = 64 * 1024  # contents up to that size are stored beside their row; beyond, a file costs less


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFilter:
    """Which packages a list shows; None shows all."""

    device_id: str | None = None
    state: PackageState | None = None


class PackageStore(Protocol):
    """Packages from announcement to receipt. Each method is one transaction.

    Methods that take a descriptor raise NotFoundError/DEVICE_NOT_FOUND for an unknown device and
    ConflictError/PACKAGE_CONFLICT when the package id is taken by other content.
    """

    def find(self, descriptor: PackageDescriptor) -> Package | None:
        """The package as far as it is known; reads only."""

    def get(self, package_id: str) -> Package | None:
        """One package with its steps."""

    def held(self, device_id: str, digests: Sequence[str]) -> set[str]:
        """Of these digests those of the device's packages that are COMMITTED or further.

        Raises:
            NotFoundError: DEVICE_NOT_FOUND.
        """

    def page(self, wanted: PackageFilter, *, after: tuple[datetime, str] | None, limit: int) -> list[Package]:
        """Packages by descending receive time and id, beyond the pair ``after``."""

    def put(self, descriptor: PackageDescriptor, now: datetime, *, content: bytes | None = None) -> Package:
        """Take over a package: COMMITTED and due, unless it was before. Calls at once may share a transaction.

        Args:
            content: Its bytes, their digest checked, to be stored by the same transaction; None when the blob store
                has them already. At most `SMALL_BYTES`.

        Raises:
            UnavailableError: TOO_BUSY.
        """

    def retry(self, package_id: str, now: datetime) -> Package | None:
        """Make the failed steps of a FAILED package PENDING, and the package due. None: unknown package.

        Raises:
            PreconditionError: PACKAGE_NOT_FAILED.
        """


class UploadStore(Protocol):
    """Uploads. Each method is one transaction."""

    def open(self, descriptor: PackageDescriptor, new: Upload, *, quota_bytes: int, now: datetime) -> Upload:
        """The upload of a package: the active or finished one, else ``new``.

        Raises:
            NotFoundError, ConflictError: as `PackageStore`.
            ExhaustedError: UPLOAD_QUOTA_EXCEEDED, the device's active uploads announce too many bytes.
        """

    def get(self, upload_id: str) -> Upload | None:
        """One upload."""

    def set_offset(self, upload_id: str, committed_offset: int, expire_time: datetime) -> bool:
        """Record progress; False when the upload is not active any more."""

    def finish(self, upload_id: str, now: datetime) -> Package | None:
        """Turn an active upload whose blob is stored FINISHED, its package COMMITTED and due.

        A finished one returns its package again. None: neither active nor finished.
        """

    def close(self, upload_id: str, state: UploadState) -> Upload | None:
        """Give an active upload up as CANCELLED or EXPIRED, and forget its package. None: unknown upload."""

    def active_ids(self) -> set[str]:
        """Ids of all active uploads."""

    def expired_ids(self, now: datetime, limit: int) -> Sequence[str]:
        """Active uploads whose time is over."""

    def forget(self, before: datetime) -> int:
        """Delete uploads that ended and whose expiry was before that moment; returns how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to process one package, until its lease ends.

    Attributes:
        package: The package, its steps as far as earlier claims got.
        delay_count: How often in a row its work was put off.
        crash_count: How many claims of it ended without a word.
    """

    claim_id: str
    package: Package
    delay_count: int
    crash_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WholePackage:
    """A claimed package whose every step succeeded at once: how each ended, and what they took to be kept."""

    claim: Claim
    steps: Sequence[PackageStep]
    records: DeviceRecords


class WorkStore(Protocol):
    """Packages as work. Each method is one transaction.

    Methods that take a claim raise SupersededError/CLAIM_LOST, and change nothing, once its lease ended and
    somebody else holds the package.
    """

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Ids of packages that are due, those longest due first."""

    def claim(
        self,
        claim_id: str,
        *,
        now: datetime,
        lease_time: datetime,
        package_id: str | None = None,
        limit: int = 1,
    ) -> Sequence[Claim]:
        """Take packages that are due, those longest due first: PROCESSING, and due again at ``lease_time``.

        Several are taken only while each is small and no worker died of it: what ends one worker again must not take
        others with it, and what is large is enough for one.

        Args:
            package_id: The one to take, with others if it may be taken with others; nothing when it is not due.
            limit: Most packages.
        """

    def renew(self, claim: Claim, *, lease_time: datetime) -> None:
        """Keep a claim."""

    def add_steps(self, claim: Claim, kinds: Sequence[EntryKind]) -> None:
        """Record the kinds a verified archive holds, in the order of processing."""

    def record_steps(self, claim: Claim, steps: Sequence[PackageStep]) -> None:
        """Record how steps ended; a failed one keeps the count of records it took over so far."""

    def put_off(self, claim: Claim, *, due_time: datetime) -> None:
        """Give the claim back: COMMITTED, due at ``due_time``."""

    def give_back(self, claims: Sequence[Claim], *, now: datetime) -> None:
        """Have others take packages that nobody has begun: COMMITTED and due, as if they had never been claimed."""

    def complete_whole(self, packages: Sequence[WholePackage], *, now: datetime) -> Sequence[Claim]:
        """Add the steps, keep the records, and end the work of all: PROCESSED.

        Returns:
            Claims that are lost; nothing of those packages was kept.

        Raises:
            InvalidRequestError: TOO_MANY_METRICS.
        """

    def complete(self, claim: Claim, steps: Sequence[PackageStep], *, now: datetime) -> None:
        """Record how the last steps ended, and end the work: PROCESSED when every step succeeded, else FAILED."""

    def refuse(self, claim: Claim, *, reason: str, error: str) -> None:
        """End the work: FAILED, the archive itself is refused."""


class FileStore(Protocol):
    """Files that processed packages leave behind. Idempotent by package and path."""

    def add(self, package: PackageDescriptor, entry: ManifestEntry) -> None:
        """Remember a file whose blob is stored."""

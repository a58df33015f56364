"""Blobs: immutable bytes known by their SHA-256."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol


class StoredBlob(NamedTuple):
    """A blob as a list of all shows it; ``put_time`` is when it was put last."""

    sha256: str
    size_bytes: int
    put_time: datetime


class BlobReader(Protocol):
    """Blobs as who only reads them sees them."""

    def open(self, sha256: str, offset: int = 0) -> Iterator[bytes]:
        """Read from ``offset`` in chunks of at most 256 KiB. A blob read from 0 to its end has its digest.

        Raises:
            NotFoundError: BLOB_NOT_FOUND.
            OutOfRangeError: BLOB_OFFSET_BEYOND_END.
            DamagedDataError: BLOB_CORRUPT, instead of the last chunk of a blob read from 0.
            UnavailableError: as `put`, also while reading.
        """


class Blobs(BlobReader, Protocol):
    """Keeps bytes under their digest. A call that returned is durable."""

    def put(self, chunks: Iterable[bytes], *, sha256: str, size_bytes: int) -> None:
        """Store ``chunks``. Repeating it makes the blob young again; ``chunks`` is not read when it is known.

        Raises:
            InvalidRequestError: DIGEST_MISMATCH, the chunks have another digest or size.
            ExhaustedError: DISK_FULL.
            UnavailableError: the store is away or refuses this server; like DISK_FULL it says when to try again.
        """

    def put_file(self, path: Path, *, sha256: str, size_bytes: int) -> None:
        """Store a file whose digest the caller checked and whose bytes are synced. The file stays.

        Raises:
            ExhaustedError, UnavailableError: as `put`.
        """

    def size(self, sha256: str) -> int | None:
        """Size in bytes; None for an unknown blob."""

    def delete(self, sha256: str) -> None:
        """Forget a blob; deleting an unknown one is fine."""


class SweepableBlobs(Blobs, Protocol):
    """Blobs as who runs the server sees them: whether they are there, and what is garbage among them."""

    def check(self) -> None:
        """Make sure that the store answers, and takes what is put.

        Raises:
            UnavailableError: as `put`.
        """

    def delete_older(self, sha256: str, before: datetime) -> bool:
        """Delete a blob, unless it was put, or put again, at that moment or later; whether it is deleted.

        A `put` at the same time either keeps the blob, or stores it anew, or raises UnavailableError/BLOB_BUSY: what
        it says is there, is there.
        """

    def stored(self) -> Iterator[StoredBlob]:
        """All blobs in the order of their digests; of those put or deleted meanwhile some may be missing."""

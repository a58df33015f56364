"""Blobs: immutable bytes known by their SHA-256."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Keeps bytes under their digest. A call that returned is durable."""

    def put(self, chunks: Iterable[bytes], *, sha256: str, size_bytes: int) -> None:
        """Store ``chunks``. Repeating it changes nothing; ``chunks`` is not read when the blob is known.

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

    def open(self, sha256: str, offset: int = 0) -> Iterator[bytes]:
        """Read from ``offset`` in chunks of at most 256 KiB. A blob read from 0 to its end has its digest.

        Raises:
            NotFoundError: BLOB_NOT_FOUND.
            OutOfRangeError: BLOB_OFFSET_BEYOND_END.
            DamagedDataError: BLOB_CORRUPT, instead of the last chunk of a blob read from 0.
            UnavailableError: as `put`, also while reading.
        """

    def size(self, sha256: str) -> int | None:
        """Size in bytes; None for an unknown blob."""

    def delete(self, sha256: str) -> None:
        """Forget a blob; deleting an unknown one is fine."""

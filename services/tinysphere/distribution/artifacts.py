"""Hands out bundles that were registered and not withdrawn, from any offset."""

import logging
from collections.abc import Iterator

from tinysphere.errors import NotFoundError, OutOfRangeError
from tinysphere.storage.ports.blobs import Blobs
from tinysphere.storage.ports.distribution import RolloutStore

logger = logging.getLogger(__name__)

PIECES_PER_LOOK = 4  # 1 MiB: an abort ends downloads soon, also on a slow link


class Artifacts:
    """Bundle files by digest."""

    def __init__(self, store: RolloutStore, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    def open(self, sha256: str, offset: int) -> tuple[int, Iterator[bytes]]:
        """Open a bundle for reading.

        Returns:
            Its size in bytes, and its bytes from ``offset`` in pieces of at most 256 KiB. The iterator raises
            NotFoundError when the bundle is withdrawn meanwhile.

        Raises:
            NotFoundError: ARTIFACT_NOT_FOUND, withdrawn or never known.
            OutOfRangeError: OFFSET_BEYOND_END.
        """
        size_bytes = self._size(sha256)
        if offset > size_bytes:
            raise OutOfRangeError(
                "OFFSET_BEYOND_END",
                f"offset: expected at most {size_bytes}, got {offset}",
                metadata={"size_bytes": str(size_bytes)},
            )
        if self._blobs.size(sha256) != size_bytes:
            logger.error("the blob store lost the registered bundle %s", sha256)
            raise _not_found(sha256)
        return size_bytes, self._pieces(sha256, offset)

    def _pieces(self, sha256: str, offset: int) -> Iterator[bytes]:
        for count, piece in enumerate(self._blobs.open(sha256, offset), start=1):
            yield piece
            if count % PIECES_PER_LOOK == 0:
                self._size(sha256)

    def _size(self, sha256: str) -> int:
        size_bytes = self._store.artifact_size(sha256)
        if size_bytes is None:
            raise _not_found(sha256)
        return size_bytes


def _not_found(sha256: str) -> NotFoundError:
    return NotFoundError("ARTIFACT_NOT_FOUND", f"no bundle {sha256}: withdrawn or never known")

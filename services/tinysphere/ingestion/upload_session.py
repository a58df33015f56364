"""One upload's bytes in this process, shared by the streams that follow each other on it.

What is durable is said by the part file itself. The row learns of it when a stream ends.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tinysphere.domain.clock import Clock
from tinysphere.domain.packages import Package, Upload, UploadState
from tinysphere.errors import InvalidRequestError, NotFoundError, TinySphereError
from tinysphere.ingestion.limits import UploadLimits
from tinysphere.storage.ports.blobs import Blobs
from tinysphere.storage.ports.packages import UploadStore
from tinysphere.storage.ports.parts import Part, Parts

Interrupt = Callable[[TinySphereError], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPlaces:
    """Where uploads and their bytes are kept, and the limits they keep to."""

    store: UploadStore
    parts: Parts
    blobs: Blobs
    clock: Clock
    limits: UploadLimits


class UploadSession:
    """Bytes written, bytes durable, and the digest so far. Every method is called with ``lock`` held.

    Attributes:
        owner: Interrupts the stream that may write; None without one. Guarded by the sessions' lock.
        upload: The row when it was last read.
        written: Bytes in the part file.
        committed: Of these, durable and marked as such.
        is_loaded: Whether these two are known.
    """

    def __init__(self, upload: Upload, places: UploadPlaces) -> None:
        self.lock = threading.Lock()
        self.owner: Interrupt | None = None
        self.upload = upload
        self.written = 0
        self.committed = 0
        self._places = places
        self._part: Part | None = None
        self.is_loaded = False
        self._digest = hashlib.sha256()
        self._digested = 0

    def open(self) -> None:
        """Make the upload ready to go on; what an earlier stream left becomes durable.

        Raises:
            NotFoundError: UPLOAD_NOT_FOUND or UPLOAD_EXPIRED.
        """
        self.upload = usable(self._places.store.get(self.upload.upload_id), self.upload.upload_id)
        if self.upload.state is UploadState.FINISHED:
            self.written = self.committed = self.upload.size_bytes
            return
        if self._part is None:
            self._part = self._places.parts.open(self.upload.upload_id)
        if not self.is_loaded:
            self._load(self._part)
        self.commit()

    def append(self, data: bytes | memoryview) -> None:
        """Write what follows the bytes written so far."""
        with self._distrusted_after_failure():
            self._opened().write(data, self.written)
        if self._digested == self.written:
            self._digest.update(data)
            self._digested += len(data)
        self.written += len(data)

    def commit(self) -> int:
        """Make all written bytes durable; returns the committed offset.

        Raises:
            ExhaustedError: DISK_FULL.
        """
        if self.committed < self.written:
            with self._distrusted_after_failure():
                self._opened().commit(self.written)
            self.committed = self.written
        return self.committed

    def record(self) -> None:
        """Commit, and tell the row how far the upload came; it lives on from now.

        Raises:
            NotFoundError: UPLOAD_NOT_FOUND, the upload was ended by other means.
        """
        is_under_way = self.upload.state is UploadState.ACTIVE and self._part is not None
        if is_under_way and self.commit() != self.upload.committed_offset:
            self._record(self.committed)

    def finish(self) -> Package:
        """Check the digest, hand the bytes to the blob store, commit the package. Repeatable.

        Raises:
            InvalidRequestError: DIGEST_MISMATCH; the upload starts again from 0.
        """
        upload, places = self.upload, self._places
        if upload.state is UploadState.ACTIVE:
            if self.written != upload.size_bytes or self._whole_digest() != upload.sha256:
                self.restart()
                raise digest_mismatch(upload)
            # Once the mark says that all is there, the file is never cut again: the blob store may link it.
            self.commit()
            path = places.parts.path(upload.upload_id)
            places.blobs.put_file(path, sha256=upload.sha256, size_bytes=upload.size_bytes)
        package = places.store.finish(upload.upload_id, places.clock.now())
        if package is None:
            raise upload_not_found(upload.upload_id)
        self.close()
        places.parts.delete(upload.upload_id)
        return package

    def restart(self) -> None:
        """Forget all bytes: their digest or size is wrong."""
        self.close()
        self._places.parts.delete(self.upload.upload_id)  # never cut: the file may be linked
        self._part = self._places.parts.open(self.upload.upload_id)
        self.written = self.committed = self._digested = 0
        self._digest = hashlib.sha256()
        self._record(0)

    def close(self) -> None:
        """Close the part file. What was learnt of it stays."""
        if self._part is not None:
            self._part.close()
            self._part = None

    def distrust(self) -> None:
        """Forget what memory holds; the next `open` reads row and file again."""
        self.close()
        self.is_loaded = False
        self.written = self.committed
        self._digest, self._digested = hashlib.sha256(), 0

    def _load(self, part: Part) -> None:
        self.written = self.committed = part.committed()
        part.truncate(self.written)  # synced or not, nobody was told of what follows
        self.is_loaded = True

    def _record(self, committed_offset: int) -> None:
        places = self._places
        expire_time = places.clock.now() + places.limits.expiry
        if not places.store.set_offset(self.upload.upload_id, committed_offset, expire_time):
            raise upload_not_found(self.upload.upload_id)

    def _whole_digest(self) -> str:
        part = self._opened()
        while self._digested < self.written and (data := part.read(self._digested)):
            self._digest.update(data)
            self._digested += len(data)
        return self._digest.hexdigest()

    @contextmanager
    def _distrusted_after_failure(self) -> Iterator[None]:
        # After a failed sync the system may hold lost pages for written ones.
        try:
            yield
        except OSError:
            self.distrust()
            raise

    def _opened(self) -> Part:
        if self._part is None:
            raise upload_not_found(self.upload.upload_id)
        return self._part


def usable(upload: Upload | None, upload_id: str) -> Upload:
    """The upload, if a stream may be opened on it.

    Raises:
        NotFoundError: UPLOAD_NOT_FOUND or UPLOAD_EXPIRED.
    """
    if upload is None or upload.state is UploadState.CANCELLED:
        raise upload_not_found(upload_id)
    if upload.state is UploadState.EXPIRED:
        raise NotFoundError("UPLOAD_EXPIRED", f"upload {upload_id} expired; create it again")
    return upload


def upload_not_found(upload_id: str) -> NotFoundError:
    """The error."""
    return NotFoundError("UPLOAD_NOT_FOUND", f"upload {upload_id} is unknown or over; create it again")


def digest_mismatch(upload: Upload) -> InvalidRequestError:
    """The error."""
    return InvalidRequestError(
        "DIGEST_MISMATCH",
        f"expected {upload.size_bytes} bytes with sha256 {upload.sha256}; the upload starts again from 0",
    )

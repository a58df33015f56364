"""Blobs as local files: written beside, synced, renamed, and the folder synced too."""

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from tinysphere.errors import UnavailableError
from tinysphere.storage.digests import (
    READ_BYTES,
    arriving,
    blob_name,
    blob_not_found,
    digest_of,
    require_offset,
    stored,
)
from tinysphere.storage.files import full_disk_translated, make_folder, sync_folder
from tinysphere.storage.ports.blobs import StoredBlob

AWAY_RETRY_AFTER_S = 5.0

# Filesystems without hard links, or a folder on another one: the bytes are copied instead.
_LINK_REFUSED = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK)


class FileBlobs:
    """Keeps each blob in ``<root>/<first two digits>/<digest>``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / "tmp"
        self._temporary.mkdir(parents=True, exist_ok=True)
        sync_folder(root)

    def put(self, chunks: Iterable[bytes], *, sha256: str, size_bytes: int) -> None:
        """See `Blobs.put`."""
        if self._renewed(sha256, size_bytes):
            return
        with self._new_file(sha256) as file:
            for chunk in arriving(chunks, sha256=sha256, size_bytes=size_bytes):
                file.write(chunk)

    def put_file(self, path: Path, *, sha256: str, size_bytes: int) -> None:
        """See `Blobs.put_file`."""
        if self._renewed(sha256, size_bytes):
            return
        target = self._path(sha256)
        with full_disk_translated():
            make_folder(target.parent)
            os.utime(path)  # its bytes may have waited long for the end of their upload
            try:
                os.link(path, target)
            except FileExistsError:
                return
            except OSError as error:
                if error.errno not in _LINK_REFUSED:
                    raise
                with path.open("rb") as source, self._new_file(sha256) as file:
                    shutil.copyfileobj(source, file, READ_BYTES)
            else:
                sync_folder(target.parent)

    def open(self, sha256: str, offset: int = 0) -> Iterator[bytes]:
        """See `Blobs.open`."""
        size_bytes = require_offset(sha256, offset, self.size(sha256))
        chunks = _read(self._path(sha256), offset)
        return chunks if offset else stored(chunks, sha256=sha256, size_bytes=size_bytes)

    def size(self, sha256: str) -> int | None:
        """See `Blobs.size`."""
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, sha256: str) -> None:
        """See `Blobs.delete`."""
        self._path(sha256).unlink(missing_ok=True)

    def check(self) -> None:
        """See `SweepableBlobs.check`."""
        if not os.access(self._temporary, os.W_OK | os.X_OK):
            raise UnavailableError(
                "BLOB_STORE_AWAY",
                f"{self._root} cannot be written; is its disk mounted?",
                retry_after_s=AWAY_RETRY_AFTER_S,
            )

    def delete_older(self, sha256: str, before: datetime) -> bool:
        """See `SweepableBlobs.delete_older`."""
        path = self._path(sha256)
        with self._held(fcntl.LOCK_EX):
            try:
                if _put_time(path.stat()) >= before:
                    return False
            except FileNotFoundError:
                return False
            path.unlink()
        return True

    def stored(self) -> Iterator[StoredBlob]:
        """See `SweepableBlobs.stored`."""
        for folder in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                if digest_of(f"{folder.name}/{path.name}") is None:
                    continue
                with suppress(FileNotFoundError):
                    facts = path.stat()
                    yield StoredBlob(path.name, facts.st_size, _put_time(facts))

    def _renewed(self, sha256: str, size_bytes: int) -> bool:
        """Whether the blob is there; if so it counts as put just now."""
        if self.size(sha256) != size_bytes:
            return False
        with self._held(fcntl.LOCK_SH):
            try:
                os.utime(self._path(sha256))
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def _held(self, kind: int) -> Iterator[None]:
        """Lets those that put, or one that deletes, look at an age and act on it; of any process of this host."""
        descriptor = os.open(self._temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)

    def _path(self, sha256: str) -> Path:
        return self._root / blob_name(sha256)

    @contextmanager
    def _new_file(self, sha256: str) -> Iterator[BinaryIO]:
        """A file that becomes the blob, durably, when the block ends well, and vanishes otherwise."""
        target, temporary = self._path(sha256), self._temporary / uuid.uuid4().hex
        try:
            with full_disk_translated(), temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                make_folder(target.parent)
                with self._held(fcntl.LOCK_SH):  # over a damaged one, which may be old
                    temporary.rename(target)
                sync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _put_time(facts: os.stat_result) -> datetime:
    return datetime.fromtimestamp(facts.st_mtime, UTC)


def _read(path: Path, offset: int) -> Iterator[bytes]:
    try:
        file = path.open("rb")  # not before the first chunk is asked for: nobody else would close it
    except FileNotFoundError as error:
        raise blob_not_found(path.name) from error
    with file:
        file.seek(offset)
        while chunk := file.read(READ_BYTES):
            yield chunk

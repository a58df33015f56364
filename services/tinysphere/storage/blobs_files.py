"""Blobs as local files: written beside, synced, renamed, and the folder synced too."""

import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tinysphere.errors import ExhaustedError, InvalidRequestError, NotFoundError, OutOfRangeError

READ_BYTES = 256 * 1024
FULL_RETRY_AFTER_S = 60.0

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
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
        if self.size(sha256) == size_bytes:
            return
        with self._new_file(sha256) as file:
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
            if digest.hexdigest() != sha256 or size != size_bytes:
                raise InvalidRequestError(
                    "DIGEST_MISMATCH",
                    f"expected {size_bytes} bytes of {sha256}, got {size} of {digest.hexdigest()}",
                )

    def put_file(self, path: Path, *, sha256: str, size_bytes: int) -> None:
        """See `Blobs.put_file`."""
        if self.size(sha256) == size_bytes:
            return
        target = self._path(sha256)
        try:
            make_folder(target.parent)
            os.link(path, target)
        except FileExistsError:
            return
        except OSError as error:
            if error.errno not in _LINK_REFUSED:
                raise _translated(error) from error
            with path.open("rb") as source, self._new_file(sha256) as file:
                shutil.copyfileobj(source, file, READ_BYTES)
        else:
            sync_folder(target.parent)

    def open(self, sha256: str, offset: int = 0) -> Iterator[bytes]:
        """See `Blobs.open`."""
        try:
            file = self._path(sha256).open("rb")
        except FileNotFoundError as error:
            raise NotFoundError("BLOB_NOT_FOUND", f"no blob {sha256}") from error
        size = os.fstat(file.fileno()).st_size
        if not 0 <= offset <= size:
            file.close()
            raise OutOfRangeError("BLOB_OFFSET_BEYOND_END", f"offset {offset} is beyond {size} bytes")
        file.seek(offset)
        return _read(file)

    def size(self, sha256: str) -> int | None:
        """See `Blobs.size`."""
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, sha256: str) -> None:
        """See `Blobs.delete`."""
        self._path(sha256).unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):  # never let a caller's text name a path
            raise ValueError(f"expected 64 lower-case hex digits, got {sha256!r}")
        return self._root / sha256[:2] / sha256

    @contextmanager
    def _new_file(self, sha256: str) -> Iterator[BinaryIO]:
        """A file that becomes the blob, durably, when the block ends well, and vanishes otherwise."""
        target, temporary = self._path(sha256), self._temporary / uuid.uuid4().hex
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            make_folder(target.parent)
            temporary.rename(target)
            sync_folder(target.parent)
        except OSError as error:
            raise _translated(error) from error
        finally:
            temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make ``folder`` inside an existing one, durably."""
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(READ_BYTES):
            yield chunk


def _translated(error: OSError) -> Exception:
    if error.errno in _DISK_FULL:
        return ExhaustedError("DISK_FULL", "the blob store is full", retry_after_s=FULL_RETRY_AFTER_S)
    return error

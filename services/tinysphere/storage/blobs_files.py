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

from tinysphere.errors import InvalidRequestError, NotFoundError, OutOfRangeError
from tinysphere.storage.files import full_disk_translated, make_folder, sync_folder

READ_BYTES = 256 * 1024

_SHA256 = re.compile(r"[0-9a-f]{64}")
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
        with full_disk_translated():
            make_folder(target.parent)
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
        size = self.size(sha256)
        if size is None:
            raise NotFoundError("BLOB_NOT_FOUND", f"no blob {sha256}")
        if not 0 <= offset <= size:
            raise OutOfRangeError("BLOB_OFFSET_BEYOND_END", f"offset {offset} is beyond {size} bytes")
        return _read(self._path(sha256), offset)

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
            with full_disk_translated(), temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                make_folder(target.parent)
                temporary.rename(target)
                sync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _read(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb") as file:  # not before the first chunk is asked for: nobody else would close it
        file.seek(offset)
        while chunk := file.read(READ_BYTES):
            yield chunk

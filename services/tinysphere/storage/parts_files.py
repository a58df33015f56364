"""Part files in a local folder that one process at a time holds."""

import fcntl
import os
import shutil
from pathlib import Path

from tinysphere.errors import UnavailableError
from tinysphere.storage.files import disk_full, full_disk_translated, sync_folder
from tinysphere.storage.part_marks import PartMark

READ_BYTES = 1024 * 1024

_SUFFIX, _MARK_SUFFIX = ".part", ".mark"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class FilePart:
    """See `Part`."""

    def __init__(self, path: Path, mark: Path) -> None:
        self._descriptor = os.open(path, _FLAGS, 0o600)
        try:
            self._mark = PartMark(mark)
            self._mark.lower(os.fstat(self._descriptor).st_size)
        except BaseException:
            os.close(self._descriptor)
            raise

    def committed(self) -> int:
        """See `Part.committed`."""
        return self._mark.read()

    def truncate(self, size_bytes: int) -> None:
        """See `Part.truncate`."""
        os.ftruncate(self._descriptor, size_bytes)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """See `Part.write`."""
        view = memoryview(data)
        with full_disk_translated():
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written

    def commit(self, size_bytes: int) -> None:
        """See `Part.commit`."""
        with full_disk_translated():
            os.fdatasync(self._descriptor)
        self._mark.write(size_bytes)

    def read(self, offset: int) -> bytes:
        """See `Part.read`."""
        return os.pread(self._descriptor, READ_BYTES, offset)

    def close(self) -> None:
        """See `Part.close`."""
        os.close(self._descriptor)
        self._mark.close()


class FileParts:
    """See `Parts`."""

    def __init__(self, folder: Path, *, disk_floor_bytes: int) -> None:
        """Take the folder.

        Raises:
            UnavailableError: DATA_DIR_IN_USE, another process holds it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._disk_floor_bytes = disk_floor_bytes
        self._lock = os.open(folder / ".lock", _FLAGS, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise UnavailableError("DATA_DIR_IN_USE", f"another server uses {folder}") from error

    def release(self) -> None:
        """Let another process take the folder."""
        os.close(self._lock)

    def open(self, upload_id: str) -> FilePart:
        """See `Parts.open`."""
        path, mark = self.path(upload_id), self._mark(upload_id)
        is_known = path.exists() and mark.exists()
        if not is_known:  # what is left of a deletion must not be written to: the file may be linked
            self.delete(upload_id)
        with full_disk_translated():
            part = FilePart(path, mark)
            if not is_known:
                sync_folder(self._folder)
        return part

    def path(self, upload_id: str) -> Path:
        """See `Parts.path`."""
        return self._folder / f"{upload_id}{_SUFFIX}"

    def committed(self, upload_id: str) -> int:
        """See `Parts.committed`."""
        path, mark = self.path(upload_id), self._mark(upload_id)
        if not (path.exists() and mark.exists()):
            return 0
        part = FilePart(path, mark)
        try:
            return part.committed()
        finally:
            part.close()

    def delete(self, upload_id: str) -> None:
        """See `Parts.delete`."""
        self._mark(upload_id).unlink(missing_ok=True)
        self.path(upload_id).unlink(missing_ok=True)

    def upload_ids(self) -> set[str]:
        """See `Parts.upload_ids`."""
        return {path.stem for suffix in (_SUFFIX, _MARK_SUFFIX) for path in self._folder.glob(f"*{suffix}")}

    def _mark(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}{_MARK_SUFFIX}"

    def check_room(self, wanted_bytes: int) -> None:
        """See `Parts.check_room`."""
        if shutil.disk_usage(self._folder).free - wanted_bytes < self._disk_floor_bytes:
            raise disk_full()

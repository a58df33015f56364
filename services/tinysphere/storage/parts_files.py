"""Part files in a local folder that one process at a time holds."""

import fcntl
import os
import shutil
from pathlib import Path

from tinysphere.errors import UnavailableError
from tinysphere.storage.files import disk_full, full_disk_translated, sync_folder

READ_BYTES = 1024 * 1024

_SUFFIX = ".part"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class FilePart:
    """See `Part`."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, _FLAGS, 0o600)

    def size(self) -> int:
        """See `Part.size`."""
        return os.fstat(self._descriptor).st_size

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

    def sync(self) -> None:
        """See `Part.sync`."""
        with full_disk_translated():
            os.fdatasync(self._descriptor)

    def read(self, offset: int) -> bytes:
        """See `Part.read`."""
        return os.pread(self._descriptor, READ_BYTES, offset)

    def close(self) -> None:
        """See `Part.close`."""
        os.close(self._descriptor)


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
        known = self.path(upload_id).exists()
        with full_disk_translated():
            part = FilePart(self.path(upload_id))
        if not known:
            sync_folder(self._folder)
        return part

    def path(self, upload_id: str) -> Path:
        """See `Parts.path`."""
        return self._folder / f"{upload_id}{_SUFFIX}"

    def size(self, upload_id: str) -> int:
        """See `Parts.size`."""
        try:
            return self.path(upload_id).stat().st_size
        except FileNotFoundError:
            return 0

    def delete(self, upload_id: str) -> None:
        """See `Parts.delete`."""
        self.path(upload_id).unlink(missing_ok=True)

    def upload_ids(self) -> set[str]:
        """See `Parts.upload_ids`."""
        return {path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"*{_SUFFIX}")}

    def check_room(self, wanted_bytes: int) -> None:
        """See `Parts.check_room`."""
        if shutil.disk_usage(self._folder).free - wanted_bytes < self._disk_floor_bytes:
            raise disk_full()

"""How far a part file is durable, in a small file of its own: a write in place where a row takes a transaction.

Two slots take turns, each in a sector of its own with its own checksum: a write that a power cut tears leaves the one
before. A mark grows, so the larger valid one counts.
"""

import os
import struct
from pathlib import Path

import google_crc32c

from tinysphere.storage.files import full_disk_translated

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_OFFSET = struct.Struct("<Q")
_RECORD = struct.Struct("<QI")
_SLOT_BYTES = 4096  # a sector on any disk
_SLOTS = 2


class PartMark:
    """The mark of one part file; its caller lets one thread at a time use it."""

    def __init__(self, path: Path) -> None:
        with full_disk_translated():
            self._descriptor = os.open(path, _FLAGS, 0o600)
        self._next_slot = 0

    def read(self) -> int:
        """Bytes marked as durable; 0 before the first mark."""
        marked = [
            _marked(os.pread(self._descriptor, _RECORD.size, slot * _SLOT_BYTES)) for slot in range(_SLOTS)
        ]
        self._next_slot = marked.index(min(marked))
        return max(marked)

    def write(self, size_bytes: int) -> None:
        """Mark so many bytes as durable, durably.

        Raises:
            ExhaustedError: DISK_FULL.
        """
        record = _OFFSET.pack(size_bytes)
        with full_disk_translated():
            os.pwrite(
                self._descriptor,
                record + google_crc32c.value(record).to_bytes(4, "little"),
                self._next_slot * _SLOT_BYTES,
            )
            os.fdatasync(self._descriptor)
        self._next_slot = (self._next_slot + 1) % _SLOTS

    def lower(self, size_bytes: int) -> None:
        """Mark no more than so many bytes as durable: the file turned out to have fewer."""
        if self.read() > size_bytes:
            for _ in range(_SLOTS):
                self.write(size_bytes)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _marked(record: bytes) -> int:
    if len(record) < _RECORD.size:
        return 0
    offset, checksum = _RECORD.unpack(record)
    return int(offset) if google_crc32c.value(record[: _OFFSET.size]) == checksum else 0

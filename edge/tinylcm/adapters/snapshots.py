"""The committed states of a device, one file each; the newest whole one is the truth.

File: magic ``TLCMSNAP``, format version (u16), length of the meta (u32), SHA-256 over these two numbers, meta and
arrays (32 bytes), meta (canonical JSON), arrays (uncompressed .npz); integers big-endian. A flipped bit or a missing
tail anywhere changes the digest, and the next older snapshot loads instead.
"""

import hashlib
import logging
import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinylcm.adapters.arrays import canonical_json, pack_arrays, parse_json, unpack_arrays
from tinylcm.adapters.files import make_folder, sweep_unfinished, sync_folder, write_durably
from tinylcm.errors import StateError
from tinylcm.ports import Arrays, Json

FORMAT_VERSION = 1

_LOGGER = logging.getLogger(__name__)
_MAGIC = b"TLCMSNAP"
_HEAD = struct.Struct(">8sHI32s")
_NAME = re.compile(r"snapshot-(\d{12})\.bin")


class SnapshotFolder:
    """Snapshots in one folder, the newest `keep_count` of them."""

    def __init__(self, folder: Path, *, keep_count: int = 3) -> None:
        if keep_count < 1:
            raise ValueError(f"keep_count must be 1 or more, got {keep_count}")
        self._folder = make_folder(folder)
        self._keep_count = keep_count

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder

    def sweep(self) -> None:
        """Removes what a power cut left half written; only for whoever may `save` here."""
        sweep_unfinished(self._folder)

    def save(self, meta: Json, arrays: Arrays) -> str:
        """Stores one state durably and returns its snapshot id; older ones are pruned.

        Raises:
            StorageFullError: The disk is full; the previous snapshots stand.
        """
        known = self.ids()
        number = int(known[-1].removeprefix("snapshot-")) + 1 if known else 1
        snapshot_id = f"snapshot-{number:012d}"
        write_durably(self._path(snapshot_id), _encode(canonical_json(meta), pack_arrays(arrays)))
        self._prune([*known, snapshot_id])
        return snapshot_id

    def load_newest(self) -> tuple[str, Json, dict[str, NDArray[np.generic]]] | None:
        """Returns id, meta and arrays of the newest snapshot that is whole, or None when there is none."""
        for snapshot_id in reversed(self.ids()):
            try:
                return (snapshot_id, *self.load(snapshot_id))
            except StateError as error:
                _LOGGER.error("%s is passed over: %s", snapshot_id, error)
        return None

    def load(self, snapshot_id: str) -> tuple[Json, dict[str, NDArray[np.generic]]]:
        """Returns meta and arrays of one snapshot.

        Raises:
            StateError: It is missing, damaged, or of an unknown version.
        """
        try:
            content = self._path(snapshot_id).read_bytes()
        except OSError as error:
            raise StateError(f"{snapshot_id} cannot be read: {error}") from error
        return _decode(content)

    def ids(self) -> list[str]:
        """Returns the ids of all snapshots, oldest first."""
        return sorted(path.stem for path in self._folder.iterdir() if _NAME.fullmatch(path.name))

    def size_and_time(self, snapshot_id: str) -> tuple[int, float]:
        """Returns the size of a snapshot's file in bytes, and when it was written in seconds since 1970."""
        found = self._path(snapshot_id).stat()
        return found.st_size, found.st_mtime

    def _path(self, snapshot_id: str) -> Path:
        return self._folder / f"{snapshot_id}.bin"

    def _prune(self, snapshot_ids: list[str]) -> None:
        surplus = snapshot_ids[: -self._keep_count]
        for snapshot_id in surplus:
            self._path(snapshot_id).unlink(missing_ok=True)
        if surplus:
            sync_folder(self._folder)


def _encode(meta: bytes, arrays: bytes) -> tuple[bytes, bytes, bytes]:
    return _HEAD.pack(_MAGIC, FORMAT_VERSION, len(meta), _digest(meta, arrays)), meta, arrays


def _decode(content: bytes) -> tuple[Json, dict[str, NDArray[np.generic]]]:
    if len(content) < _HEAD.size:
        raise StateError(f"{len(content)} bytes are no snapshot")
    magic, version, meta_size, digest = _HEAD.unpack_from(content)
    if magic != _MAGIC:
        raise StateError("it does not begin like a snapshot")
    if version != FORMAT_VERSION:
        raise StateError(f"snapshot format {version}; this device reads version {FORMAT_VERSION}")
    meta = content[_HEAD.size : _HEAD.size + meta_size]
    arrays = content[_HEAD.size + meta_size :]
    if _digest(meta, arrays) != digest:
        raise StateError("its checksum does not fit its content")
    return parse_json(meta), unpack_arrays(arrays)


def _digest(meta: bytes, arrays: bytes) -> bytes:
    digest = hashlib.sha256(struct.pack(">HI", FORMAT_VERSION, len(meta)))
    digest.update(meta)
    digest.update(arrays)
    return digest.digest()

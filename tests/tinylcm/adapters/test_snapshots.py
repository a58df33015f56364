"""A snapshot is whole or it is not loaded."""

from __future__ import annotations

import logging
import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.errors import StateError, StorageFullError

ARRAYS = {"points": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "snapshots"


def meta_of(folder: Path) -> object:
    stored = SnapshotFolder(folder).load_newest()
    return None if stored is None else stored[1]


def test_the_newest_is_loaded(folder: Path) -> None:
    store = SnapshotFolder(folder)
    assert store.load_newest() is None
    store.save({"number": 1}, ARRAYS)
    newest = store.save({"number": 2, "name": "ä"}, ARRAYS)

    stored = SnapshotFolder(folder).load_newest()
    assert stored is not None
    assert stored[:2] == (newest, {"number": 2, "name": "ä"})
    np.testing.assert_array_equal(stored[2]["points"], ARRAYS["points"])
    assert stored[2]["points"].dtype == np.float32


def test_older_ones_are_pruned(folder: Path) -> None:
    store = SnapshotFolder(folder, keep_count=2)
    ids = [store.save({"number": number}, {}) for number in range(5)]

    assert SnapshotFolder(folder).ids() == ids[-2:]


def test_every_flipped_bit_is_noticed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SnapshotFolder(folder)
    store.save({"number": 1}, ARRAYS)
    path = folder / f"{store.save({'number': 2}, ARRAYS)}.bin"
    whole = path.read_bytes()
    caplog.set_level(logging.CRITICAL)

    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert meta_of(folder) == {"number": 1}, f"bit {place % 8} of byte {place}"


def test_every_truncation_is_noticed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SnapshotFolder(folder)
    store.save({"number": 1}, ARRAYS)
    path = folder / f"{store.save({'number': 2}, ARRAYS)}.bin"
    whole = path.read_bytes()
    caplog.set_level(logging.CRITICAL)

    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert meta_of(folder) == {"number": 1}, f"{size} bytes"


def test_an_unknown_version_is_refused_by_its_number(folder: Path) -> None:
    store = SnapshotFolder(folder)
    snapshot_id = store.save({"number": 1}, ARRAYS)
    path = folder / f"{snapshot_id}.bin"
    content = path.read_bytes()
    path.write_bytes(content[:8] + struct.pack(">H", 9) + content[10:])

    with pytest.raises(StateError, match="format 9"):
        store.load(snapshot_id)


def test_an_unfinished_file_is_swept_and_never_loaded(folder: Path) -> None:
    store = SnapshotFolder(folder)
    store.save({"number": 1}, ARRAYS)
    (folder / ".snapshot-000000000002.bin.part").write_bytes(b"half")

    store.sweep()
    assert meta_of(folder) == {"number": 1}
    assert not list(folder.glob(".*"))


@contextmanager
def small_disk() -> Iterator[None]:
    """No file may grow beyond 4 KiB: the system's own way of having no space left.

    It holds for the whole process, the test's own report included: for no longer than the one call.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_last_snapshot(folder: Path) -> None:
    store = SnapshotFolder(folder)
    store.save({"number": 1}, ARRAYS)

    with small_disk(), pytest.raises(StorageFullError):
        store.save({"number": 2}, {"big": np.zeros(10_000)})
    assert meta_of(folder) == {"number": 1}
    assert not list(folder.glob(".*"))

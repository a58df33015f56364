"""Part files: written at offsets, cut, synced, held by one process."""

from pathlib import Path

import pytest

from tinysphere.errors import ExhaustedError, UnavailableError
from tinysphere.storage.parts_files import FilePart, FileParts


@pytest.fixture
def parts(tmp_path: Path) -> FileParts:
    return FileParts(tmp_path / "uploads", disk_floor_bytes=1)


def test_bytes_are_written_where_they_belong(parts: FileParts) -> None:
    part = parts.open("upload-1")
    part.write(b"hello world", 0)
    part.write(memoryview(b"WORLD"), 6)
    part.sync()
    assert part.size() == parts.size("upload-1") == 11
    assert part.read(0) == b"hello WORLD"
    assert part.read(6) == b"WORLD"
    assert part.read(11) == b""
    part.truncate(5)
    assert part.read(0) == b"hello"
    part.close()
    again = parts.open("upload-1")
    assert again.read(0) == b"hello"
    again.close()


def test_files_are_found_and_deleted_by_upload(parts: FileParts) -> None:
    parts.open("upload-1").close()
    parts.open("upload-2").close()
    assert parts.upload_ids() == {"upload-1", "upload-2"}
    for _ in range(2):
        parts.delete("upload-1")
    assert parts.upload_ids() == {"upload-2"}
    assert parts.size("upload-1") == 0


def test_one_process_holds_the_folder(parts: FileParts, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        FileParts(tmp_path / "uploads", disk_floor_bytes=1)
    assert caught.value.reason == "DATA_DIR_IN_USE"
    parts.release()
    FileParts(tmp_path / "uploads", disk_floor_bytes=1).release()


def test_the_floor_of_the_disk_is_never_touched(tmp_path: Path) -> None:
    parts = FileParts(tmp_path / "uploads", disk_floor_bytes=2**60)
    with pytest.raises(ExhaustedError) as caught:
        parts.check_room(1)
    assert caught.value.reason == "DISK_FULL"
    assert caught.value.retry_after_s


def test_a_full_disk_is_told_and_survived() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    part = FilePart(Path("/dev/full"))
    with pytest.raises(ExhaustedError) as caught:
        part.write(b"x", 0)
    assert caught.value.reason == "DISK_FULL"
    part.close()

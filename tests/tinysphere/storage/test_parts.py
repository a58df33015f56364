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
    assert part.committed() == parts.committed("upload-1") == 0
    part.commit(11)
    assert part.committed() == parts.committed("upload-1") == 11
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
    assert parts.committed("upload-1") == 0


def test_what_is_committed_outlives_the_process_and_what_is_not_does_not_count(parts: FileParts) -> None:
    for number in range(1, 6):
        part = parts.open("upload-1")
        assert part.committed() == 3 * (number - 1)
        part.truncate(part.committed())
        part.write(b"abc", 3 * (number - 1))
        part.commit(3 * number)
        part.write(b"tail", 3 * number)
        part.close()
    assert parts.committed("upload-1") == 15


@pytest.mark.parametrize("slot", [0, 1])
def test_a_torn_mark_leaves_the_one_before(parts: FileParts, slot: int) -> None:
    part = parts.open("upload-1")
    for size_bytes in (1, 2):  # in the first slot, in the second
        part.write(b"x", size_bytes - 1)
        part.commit(size_bytes)
    part.close()
    with parts.path("upload-1").with_suffix(".mark").open("r+b") as file:
        file.seek(4096 * slot)
        file.write(b"\xff")
    assert parts.committed("upload-1") == 2 - slot


def test_a_file_shorter_than_its_mark_is_believed_for_good(parts: FileParts) -> None:
    part = parts.open("upload-1")
    part.write(b"0123456789", 0)
    part.commit(10)
    part.close()
    parts.path("upload-1").write_bytes(b"0123")
    assert parts.committed("upload-1") == 4
    part = parts.open("upload-1")
    part.write(b"456789", 4)  # not committed: the mark of before must not speak for it
    assert part.committed() == 4
    part.close()
    assert parts.committed("upload-1") == 4


def test_what_is_left_of_a_deletion_does_not_count(parts: FileParts, tmp_path: Path) -> None:
    for left in (".part", ".mark"):
        part = parts.open("upload-1")
        part.write(b"0123", 0)
        part.commit(4)
        part.close()
        (tmp_path / "linked").unlink(missing_ok=True)
        (tmp_path / "linked").hardlink_to(parts.path("upload-1"))
        parts.path("upload-1").with_suffix({".part": ".mark", ".mark": ".part"}[left]).unlink()
        assert parts.upload_ids() == {"upload-1"}
        part = parts.open("upload-1")
        assert part.committed() == parts.committed("upload-1") == 0
        part.close()
        assert (tmp_path / "linked").read_bytes() == b"0123"
        parts.delete("upload-1")
        assert parts.upload_ids() == set()


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


def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    part = FilePart(Path("/dev/full"), tmp_path / "upload-1.mark")
    with pytest.raises(ExhaustedError) as caught:
        part.write(b"x", 0)
    assert caught.value.reason == "DISK_FULL"
    part.close()

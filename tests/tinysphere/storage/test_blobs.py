"""One contract for every blob store."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinysphere.errors import InvalidRequestError, NotFoundError, OutOfRangeError
from tinysphere.storage.blobs import open_blobs
from tinysphere.storage.ports.blobs import Blobs

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(f"file://{tmp_path}/a folder")


def put(blobs: Blobs, content: bytes = CONTENT) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    blobs.put([content[:1000], content[1000:]], sha256=sha256, size_bytes=len(content))
    return sha256


def test_what_is_put_is_read_from_any_offset(blobs: Blobs) -> None:
    sha256 = put(blobs)
    assert blobs.size(sha256) == len(CONTENT)
    for offset in (0, 1, 300_000, len(CONTENT) - 1, len(CONTENT)):
        pieces = list(blobs.open(sha256, offset))
        assert b"".join(pieces) == CONTENT[offset:]
        assert all(len(piece) <= 256 * 1024 for piece in pieces)


def test_an_empty_blob_is_a_blob(blobs: Blobs) -> None:
    sha256 = put(blobs, b"")
    assert blobs.size(sha256) == 0
    assert list(blobs.open(sha256)) == []


def test_putting_twice_reads_nothing_the_second_time(blobs: Blobs) -> None:
    put(blobs)

    def unread() -> Iterator[bytes]:
        raise AssertionError("read again")
        yield b""

    blobs.put(unread(), sha256=SHA256, size_bytes=len(CONTENT))
    assert b"".join(blobs.open(SHA256)) == CONTENT


@pytest.mark.parametrize(
    ("content", "size_bytes"), [(CONTENT[:-1], len(CONTENT)), (CONTENT, len(CONTENT) + 1), (b"other", 5)]
)
def test_wrong_bytes_leave_nothing_behind(
    blobs: Blobs, tmp_path: Path, content: bytes, size_bytes: int
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        blobs.put([content], sha256=SHA256, size_bytes=size_bytes)
    assert caught.value.reason == "DIGEST_MISMATCH"
    assert blobs.size(SHA256) is None
    assert files_in(tmp_path) == []


def test_a_source_that_breaks_leaves_nothing_behind(blobs: Blobs, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield CONTENT[:1000]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        blobs.put(broken(), sha256=SHA256, size_bytes=len(CONTENT))
    assert files_in(tmp_path) == []


def test_a_file_is_taken_over_and_stays(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "upload.part"
    path.write_bytes(CONTENT)
    for _ in range(2):
        blobs.put_file(path, sha256=SHA256, size_bytes=len(CONTENT))
    assert b"".join(blobs.open(SHA256)) == CONTENT
    path.unlink()
    assert b"".join(blobs.open(SHA256)) == CONTENT


def test_a_file_from_another_filesystem_is_copied(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    path = tmp_path / "upload.part"
    path.write_bytes(CONTENT)
    monkeypatch.setattr("os.link", refuse)
    blobs.put_file(path, sha256=SHA256, size_bytes=len(CONTENT))
    assert b"".join(blobs.open(SHA256)) == CONTENT


def test_unknown_blobs_and_offsets_are_refused_at_once(blobs: Blobs) -> None:
    with pytest.raises(NotFoundError) as missing:
        blobs.open(SHA256)
    assert missing.value.reason == "BLOB_NOT_FOUND"
    put(blobs)
    with pytest.raises(OutOfRangeError) as beyond:
        blobs.open(SHA256, len(CONTENT) + 1)
    assert beyond.value.reason == "BLOB_OFFSET_BEYOND_END"


def test_deleting_is_final_and_repeatable(blobs: Blobs) -> None:
    put(blobs)
    for _ in range(2):
        blobs.delete(SHA256)
    assert blobs.size(SHA256) is None


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "", "0" * 63])
def test_only_digests_name_files(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="hex digits"):
        blobs.size(name)


def test_unknown_stores_are_refused() -> None:
    with pytest.raises(ValueError, match="file://"):
        open_blobs("ftp://somewhere")


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]

"""One contract for every blob store, over local files and over a real S3 server."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from tests.support.seaweedfs import S3Server
from tinysphere.errors import DamagedDataError, InvalidRequestError, NotFoundError, OutOfRangeError
from tinysphere.settings import Settings
from tinysphere.storage.blobs import open_blobs
from tinysphere.storage.digests import blob_name
from tinysphere.storage.ports.blobs import Blobs

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A blob store, and a hand behind its back.

    Attributes:
        blobs: The store.
        leftovers: Names of everything it holds.
        damage: Replaces the bytes of a blob.
    """

    blobs: Blobs
    leftovers: Callable[[], list[str]]
    damage: Callable[[str, bytes], object]


def file_store(folder: Path) -> Store:
    root = folder / "a folder"

    def files() -> list[str]:
        return [str(path) for path in root.rglob("*") if path.is_file()]

    return Store(
        blobs=open_blobs(Settings(data_dir=folder, blobs_url=f"file://{root}")),
        leftovers=files,
        damage=lambda sha256, content: (root / blob_name(sha256)).write_bytes(content),
    )


def s3_store(server: S3Server, folder: Path) -> Store:
    place, client = server.new_place(), server.client()
    bucket, _, prefix = place.partition("/")

    def objects() -> list[str]:
        uploads = client._list_multipart_uploads(bucket).uploads  # the client has no public way to ask
        whole = client.list_objects(bucket, prefix=f"{prefix}/", recursive=True)
        return [str(one.object_name) for one in (*whole, *uploads)]

    def damage(sha256: str, content: bytes) -> None:
        client.put_object(bucket, f"{prefix}/{blob_name(sha256)}", BytesIO(content), len(content))

    blobs = open_blobs(Settings(data_dir=folder, **server.settings(place)))  # type: ignore[arg-type]  # checked there
    return Store(blobs=blobs, leftovers=objects, damage=damage)


@pytest.fixture(params=["files", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of each kind, empty."""
    if request.param == "files":
        return file_store(tmp_path)
    return s3_store(request.getfixturevalue("s3_server"), tmp_path)


@pytest.fixture
def blobs(store: Store) -> Blobs:
    return store.blobs


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


def test_a_large_blob_comes_and_goes_in_pieces(blobs: Blobs) -> None:
    digest = hashlib.sha256()
    for _ in range(12):
        digest.update(CONTENT)
    sha256, size_bytes = digest.hexdigest(), 12 * len(CONTENT)
    blobs.put((CONTENT for _ in range(12)), sha256=sha256, size_bytes=size_bytes)
    assert blobs.size(sha256) == size_bytes
    read = hashlib.sha256()
    for piece in blobs.open(sha256):
        read.update(piece)
    assert read.hexdigest() == sha256
    assert b"".join(blobs.open(sha256, size_bytes - 5)) == CONTENT[-5:]


def test_putting_twice_reads_nothing_the_second_time(blobs: Blobs) -> None:
    put(blobs)

    def unread() -> Iterator[bytes]:
        raise AssertionError("read again")
        yield b""

    blobs.put(unread(), sha256=SHA256, size_bytes=len(CONTENT))
    assert b"".join(blobs.open(SHA256)) == CONTENT


@pytest.mark.parametrize(
    ("content", "size_bytes"),
    [
        (CONTENT[:-1], len(CONTENT)),
        (CONTENT, len(CONTENT) + 1),
        (CONTENT, len(CONTENT) - 1),
        (CONTENT[:-1] + b"x", len(CONTENT)),
        (b"other", 5),
        (b"other", 0),
        (CONTENT * 12, 12 * len(CONTENT)),
        (CONTENT * 12, 12 * len(CONTENT) + 1),
    ],
)
def test_wrong_bytes_leave_nothing_behind(store: Store, content: bytes, size_bytes: int) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        store.blobs.put(pieces_of(content), sha256=SHA256, size_bytes=size_bytes)
    assert caught.value.reason == "DIGEST_MISMATCH"
    assert store.blobs.size(SHA256) is None
    assert store.leftovers() == []


@pytest.mark.parametrize("before_break", [1000, 12 * len(CONTENT)])
def test_a_source_that_breaks_leaves_nothing_behind(store: Store, before_break: int) -> None:
    def broken() -> Iterator[bytes]:
        yield from pieces_of((CONTENT * 12)[:before_break])
        raise ConnectionError

    with pytest.raises(ConnectionError):
        store.blobs.put(broken(), sha256=SHA256, size_bytes=13 * len(CONTENT))
    assert store.leftovers() == []


def test_a_file_is_taken_over_and_stays(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "upload.part"
    path.write_bytes(CONTENT)
    for _ in range(2):
        blobs.put_file(path, sha256=SHA256, size_bytes=len(CONTENT))
    assert b"".join(blobs.open(SHA256)) == CONTENT
    path.unlink()
    assert b"".join(blobs.open(SHA256)) == CONTENT


def test_a_damaged_blob_is_never_read_to_its_end(store: Store) -> None:
    put(store.blobs)
    for damaged in (CONTENT[:-1] + b"x", b"x" + CONTENT[1:], CONTENT[:-1]):
        store.damage(SHA256, damaged)
        read: list[bytes] = []
        with pytest.raises(DamagedDataError) as caught:
            for piece in store.blobs.open(SHA256):
                read.append(piece)
        assert caught.value.reason == "BLOB_CORRUPT"
        assert len(b"".join(read)) < len(CONTENT)


def test_a_blob_of_the_wrong_size_is_put_again(store: Store) -> None:
    put(store.blobs)
    store.damage(SHA256, CONTENT[:-1])
    put(store.blobs)
    assert b"".join(store.blobs.open(SHA256)) == CONTENT


def test_unknown_blobs_and_offsets_are_refused_at_once(blobs: Blobs) -> None:
    with pytest.raises(NotFoundError) as missing:
        blobs.open(SHA256)
    assert missing.value.reason == "BLOB_NOT_FOUND"
    put(blobs)
    with pytest.raises(OutOfRangeError) as beyond:
        blobs.open(SHA256, len(CONTENT) + 1)
    assert beyond.value.reason == "BLOB_OFFSET_BEYOND_END"


def test_a_blob_deleted_before_it_is_read_is_not_found(store: Store) -> None:
    put(store.blobs)
    chunks = store.blobs.open(SHA256)
    store.blobs.delete(SHA256)
    with pytest.raises(NotFoundError) as missing:
        next(chunks)
    assert missing.value.reason == "BLOB_NOT_FOUND"


def test_deleting_is_final_and_repeatable(blobs: Blobs) -> None:
    put(blobs)
    for _ in range(2):
        blobs.delete(SHA256)
    assert blobs.size(SHA256) is None


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "", "0" * 63])
def test_only_digests_name_blobs(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="hex digits"):
        blobs.size(name)


def pieces_of(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 200_000):
        yield content[start : start + 200_000]

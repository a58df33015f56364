"""One contract for every blob store, over local files and over a real S3 server."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from tests.support.seaweedfs import S3Server
from tests.support.waiting import eventually
from tinysphere.errors import (
    DamagedDataError,
    InvalidRequestError,
    NotFoundError,
    OutOfRangeError,
    UnavailableError,
)
from tinysphere.settings import Settings
from tinysphere.storage.blobs import open_blobs
from tinysphere.storage.digests import blob_name
from tinysphere.storage.ports.blobs import Blobs, SweepableBlobs

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SKEW = timedelta(seconds=60)  # of the clocks of a store and ours, and S3's whole seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A blob store, and a hand behind its back.

    Attributes:
        blobs: The store.
        leftovers: Names of everything it holds.
        damage: Replaces the bytes of a blob.
        tick: What it tells moments apart by.
    """

    blobs: SweepableBlobs
    leftovers: Callable[[], list[str]]
    damage: Callable[[str, bytes], object]
    tick: timedelta


def file_store(folder: Path) -> Store:
    root = folder / "a folder"

    def files() -> list[str]:
        return [str(path) for path in root.rglob("*") if path.is_file()]

    return Store(
        blobs=open_blobs(Settings(data_dir=folder, blobs_url=f"file://{root}")),
        leftovers=files,
        damage=lambda sha256, content: (root / blob_name(sha256)).write_bytes(content),
        tick=timedelta(microseconds=1),
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
    return Store(blobs=blobs, leftovers=objects, damage=damage, tick=timedelta(seconds=1))


def store_of(request: pytest.FixtureRequest, folder: Path) -> Store:
    if request.param == "files":
        return file_store(folder)
    return s3_store(request.getfixturevalue("s3_server"), folder)


@pytest.fixture
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of the kind a test names, empty."""
    return store_of(request, tmp_path)


@pytest.fixture(params=["files", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of each kind, empty."""
    return store_of(request, tmp_path)


@pytest.fixture
def blobs(store: Store) -> SweepableBlobs:
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


def test_all_blobs_are_listed_by_digest_with_size_and_age(store: Store) -> None:
    begin = datetime.now(UTC) - SKEW
    contents = [b"%d" % number for number in range(20)]
    digests = [put(store.blobs, content) for content in contents]
    store.blobs.delete(digests.pop())
    listed = list(store.blobs.stored())
    assert [blob.sha256 for blob in listed] == sorted(digests)
    assert {blob.size_bytes for blob in listed} == {1, 2}
    assert all(begin <= blob.put_time <= datetime.now(UTC) + SKEW for blob in listed)


def test_only_what_is_older_is_deleted(store: Store) -> None:
    put(store.blobs)
    assert not store.blobs.delete_older(SHA256, datetime.now(UTC) - SKEW)
    assert store.blobs.size(SHA256) == len(CONTENT)
    assert store.blobs.delete_older(SHA256, datetime.now(UTC) + SKEW)
    assert store.blobs.size(SHA256) is None
    assert not store.blobs.delete_older(SHA256, datetime.now(UTC) + SKEW)
    assert store.leftovers() == []


def test_a_blob_put_again_is_young_again(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "upload.part"
    path.write_bytes(CONTENT)
    put(store.blobs)
    for again in (
        lambda: put(store.blobs),
        lambda: store.blobs.put_file(path, sha256=SHA256, size_bytes=len(CONTENT)),
    ):
        (first,) = store.blobs.stored()
        while (renewed := next(store.blobs.stored())).put_time <= first.put_time:  # S3 counts in seconds
            again()
        assert not store.blobs.delete_older(SHA256, renewed.put_time)
    assert b"".join(store.blobs.open(SHA256)) == CONTENT


@pytest.mark.parametrize(("kind", "rounds"), [("files", 20), ("s3", 3)], indirect=["kind"])
def test_what_a_put_stored_stays_though_somebody_deletes_the_old(kind: Store, rounds: int) -> None:
    contents = [b"the same again %d" % number for number in range(8)]
    for _ in range(rounds):
        digests = [put(kind.blobs, content) for content in contents]
        before = max(blob.put_time for blob in kind.blobs.stored()) + kind.tick
        eventually(lambda before=before: probe_time(kind.blobs) >= before)
        with ThreadPoolExecutor(8) as pool:
            putting = [pool.submit(put_unless_busy, kind.blobs, content) for content in contents]
            deleting = [pool.submit(kind.blobs.delete_older, sha256, before) for sha256 in digests]
            done = [one.result() for one in putting]
        assert [one.exception() for one in deleting] == [None] * 8
        there = [kind.blobs.size(sha256) is not None for sha256 in digests]
        assert all(there[number] for number, is_stored in enumerate(done) if is_stored)


def put_unless_busy(blobs: Blobs, content: bytes) -> bool:
    try:
        put(blobs, content)
    except UnavailableError as busy:
        assert busy.reason == "BLOB_BUSY"
        return False
    return True


def probe_time(blobs: SweepableBlobs) -> datetime:
    """What the store calls now."""
    sha256 = put(blobs, b"probe")
    return next(blob.put_time for blob in blobs.stored() if blob.sha256 == sha256)


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "", "0" * 63])
def test_only_digests_name_blobs(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="hex digits"):
        blobs.size(name)


def pieces_of(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 200_000):
        yield content[start : start + 200_000]

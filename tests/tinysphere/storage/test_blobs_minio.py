"""What only an S3 store can meet: wrong keys, a server that is away, TLS, memory, a bucket of others."""

import hashlib
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.link import FaultyLink, LinkFaults
from tests.support.postgresql import free_port
from tests.support.seaweedfs import S3Server
from tinysphere.errors import TinySphereError, UnavailableError
from tinysphere.settings import MIB, Settings
from tinysphere.storage.blobs import open_blobs
from tinysphere.storage.ports.blobs import Blobs

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()

OpenBlobs = Callable[..., Blobs]


@pytest.fixture
def open_store(s3_server: S3Server, tmp_path: Path) -> OpenBlobs:
    """Opens a bucket; arguments change the settings."""
    place = s3_server.new_place()

    def open_with(**changes: Any) -> Blobs:
        return open_blobs(Settings(data_dir=tmp_path, **{**s3_server.settings(place), **changes}))

    return open_with


@pytest.fixture
def link(s3_server: S3Server) -> Iterator[FaultyLink]:
    """A link to the server that breaks when told."""
    with FaultyLink(s3_server.endpoint, LinkFaults(), seed=1) as link:
        yield link


def put(blobs: Blobs, content: bytes = CONTENT) -> None:
    blobs.put([content], sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def refusal(act: Callable[[], object]) -> TinySphereError:
    with pytest.raises(TinySphereError) as caught:
        act()
    assert caught.value.retry_after_s is not None, "whoever waits must be told how long"
    return caught.value


def test_a_bucket_is_made_once_and_shared(open_store: OpenBlobs, s3_server: S3Server) -> None:
    url = f"s3://{s3_server.new_bucket()}"
    put(open_store(blobs_url=url))
    assert b"".join(open_store(blobs_url=url).open(SHA256)) == CONTENT


def test_a_prefix_keeps_two_servers_apart(open_store: OpenBlobs, s3_server: S3Server) -> None:
    bucket, _, folder = s3_server.new_place().partition("/")
    one, other = (open_store(blobs_url=f"s3://{bucket}/{folder}/{name}/") for name in ("one", "other/deep"))
    put(one)
    assert other.size(SHA256) is None
    [found] = s3_server.client().list_objects(bucket, prefix=f"{folder}/", recursive=True)
    assert found.object_name == f"{folder}/one/{SHA256[:2]}/{SHA256}"


def test_tls_with_a_certificate_of_ones_own(open_store: OpenBlobs, s3_server: S3Server) -> None:
    secure = {"s3_endpoint": s3_server.tls_endpoint, "s3_tls": True}
    blobs = open_store(**secure, s3_ca_file=s3_server.ca_file)
    put(blobs)
    assert b"".join(blobs.open(SHA256)) == CONTENT
    assert refusal(lambda: open_store(**secure)).reason == "BLOB_STORE_AWAY", "nobody vouches for it"


@pytest.mark.parametrize("changes", [{"s3_secret_key": "wrong"}, {"s3_access_key": "nobody"}])
def test_a_wrong_key_is_told_and_never_shown(open_store: OpenBlobs, changes: dict[str, str]) -> None:
    error = refusal(lambda: open_store(**changes))
    assert isinstance(error, UnavailableError)
    assert error.reason == "BLOB_STORE_REFUSED"
    assert "keys" in str(error)
    assert "wrong" not in repr(Settings(s3_secret_key="wrong"))  # type: ignore[arg-type]  # read from text


def test_a_server_that_is_away_at_the_start(open_store: OpenBlobs) -> None:
    error = refusal(lambda: open_store(s3_endpoint=f"127.0.0.1:{free_port()}"))
    assert (error.reason, type(error)) == ("BLOB_STORE_AWAY", UnavailableError)


def test_a_server_that_goes_and_comes_back(open_store: OpenBlobs, link: FaultyLink) -> None:
    blobs = open_store(s3_endpoint=link.address)
    put(blobs)
    link.refuse()
    link.cut()
    for act in (
        lambda: put(blobs, b"more"),
        lambda: blobs.open(SHA256),
        lambda: blobs.size(SHA256),
        lambda: blobs.delete(SHA256),
    ):
        assert refusal(act).reason == "BLOB_STORE_AWAY"
    link.heal()
    put(blobs, b"more")
    assert b"".join(blobs.open(SHA256)) == CONTENT


def test_a_connection_cut_while_reading(open_store: OpenBlobs, link: FaultyLink) -> None:
    large = CONTENT * 16
    put(open_store(), large)
    blobs = open_store(s3_endpoint=link.address)
    chunks = blobs.open(hashlib.sha256(large).hexdigest())
    next(chunks)
    link.cut()
    assert refusal(lambda: list(chunks)).reason == "BLOB_STORE_AWAY"


def test_a_large_blob_is_never_in_memory(open_store: OpenBlobs) -> None:
    blobs, count = open_store(), 48
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(CONTENT)
    tracemalloc.start()
    try:
        blobs.put((CONTENT for _ in range(count)), sha256=digest.hexdigest(), size_bytes=count * len(CONTENT))
        assert sum(len(piece) for piece in blobs.open(digest.hexdigest())) == count * len(CONTENT)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * MIB

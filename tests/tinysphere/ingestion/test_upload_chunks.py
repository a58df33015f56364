"""A chunk that is read by hand is what protobuf reads; whatever is not, is left to it."""

from hypothesis import example, given
from hypothesis import strategies as st

from tinymlops.v1.ingestion_service_pb2 import (
    UploadChunk,
    UploadFinish,
    UploadOpen,
    UploadPackageRequest,
)
from tinysphere.ingestion.convert.upload_chunks import read_chunk

OFFSETS = st.integers(0, 2**63 - 1)
CHECKS = st.integers(0, 2**32 - 1)
SIZED = UploadPackageRequest(chunk=UploadChunk(offset=1 << 40, data=b"x" * 300, crc32c=7)).SerializeToString()


def agree(content: bytes) -> None:
    """What is read by hand, protobuf reads alike."""
    read = read_chunk(content)
    if read is None:
        return
    request = UploadPackageRequest.FromString(content)
    assert request.WhichOneof("part") == "chunk"
    assert (read.offset, read.data, read.crc32c) == (
        request.chunk.offset,
        request.chunk.data,
        request.chunk.crc32c,
    )


@given(offset=OFFSETS, data=st.binary(min_size=1, max_size=20_000), crc32c=CHECKS.filter(bool))
@example(offset=0, data=b"x", crc32c=1)
@example(offset=2**63 - 1, data=b"x" * (2 << 20), crc32c=2**32 - 1)
def test_every_chunk_that_protobuf_writes_is_read_by_hand(offset: int, data: bytes, crc32c: int) -> None:
    content = UploadPackageRequest(chunk=UploadChunk(offset=offset, data=data, crc32c=crc32c))
    read = read_chunk(content.SerializeToString())
    assert read is not None
    assert (read.offset, read.data, read.crc32c) == (offset, data, crc32c)


@given(content=st.binary(max_size=64))
def test_any_bytes(content: bytes) -> None:
    agree(content)


@given(
    at=st.integers(0, len(SIZED) - 1), size=st.integers(0, 6), instead=st.binary(max_size=6), add=st.binary()
)
def test_damaged_chunks(at: int, size: int, instead: bytes, add: bytes) -> None:
    agree(SIZED[:at] + instead + SIZED[at + size :] + add)


@given(at=st.integers(0, 16), instead=st.binary(min_size=1, max_size=12))
def test_damaged_beginnings(at: int, instead: bytes) -> None:
    agree(SIZED[:at] + instead + SIZED[at + len(instead) :])


def test_fields_in_another_order_twice_or_overlong_are_left_or_read_alike() -> None:
    offset, data, crc32c = b"\x08\x05", b"\x12\x02ab", b"\x1d\x01\x02\x03\x04"
    overlong = b"\x12\x82\x80\x80\x00ab"
    for parts in (
        [offset, data, crc32c],
        [data, offset, crc32c],
        [offset, data],
        [data, crc32c],
        [offset, crc32c],
        [offset, data, crc32c, crc32c],
        [offset, offset, data, crc32c],
        [offset, overlong, crc32c],
        [b"\x08\x85\x00", data, crc32c],
        [b"\x08" + b"\xff" * 9 + b"\x01", data, crc32c],
    ):
        chunk = b"".join(parts)
        agree(b"\x12" + bytes([len(chunk)]) + chunk)


def test_everything_else_is_left_to_protobuf() -> None:
    for other in (
        UploadPackageRequest(),
        UploadPackageRequest(open=UploadOpen(upload_id="1", offset=3)),
        UploadPackageRequest(finish=UploadFinish()),
        UploadPackageRequest(chunk=UploadChunk(offset=-1, data=b"x", crc32c=1)),
        UploadPackageRequest(chunk=UploadChunk(offset=1, data=b"x")),
        UploadPackageRequest(chunk=UploadChunk(offset=1, crc32c=1)),
    ):
        assert read_chunk(other.SerializeToString()) is None

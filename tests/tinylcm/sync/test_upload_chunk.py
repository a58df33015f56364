"""A chunk that is written by hand is, to the byte, what protobuf writes."""

from hypothesis import example, given
from hypothesis import strategies as st

from tinylcm.sync.upload_chunk import write_chunk
from tinymlops.v1.ingestion_service_pb2 import UploadPackageRequest

CRC32C_OF_NINE_DIGITS = 0xE3069283  # RFC 3720, B.4
CRC32C_ZERO = bytes.fromhex("ab9be09b")  # four bytes whose checksum is 0, which protobuf leaves out


@given(offset=st.integers(0, 2**63 - 1), data=st.binary(min_size=1, max_size=20_000))
@example(offset=0, data=b"123456789")
@example(offset=2**63 - 1, data=b"x" * (1 << 20))
@example(offset=7, data=CRC32C_ZERO)
def test_a_chunk_is_written_as_protobuf_writes_it(offset: int, data: bytes) -> None:
    content = write_chunk(offset, data)
    request = UploadPackageRequest.FromString(content)
    assert request.SerializeToString(deterministic=True) == content
    assert (request.chunk.offset, request.chunk.data) == (offset, data)


def test_the_checksum_is_crc32c() -> None:
    assert UploadPackageRequest.FromString(write_chunk(0, b"123456789")).chunk.crc32c == CRC32C_OF_NINE_DIGITS

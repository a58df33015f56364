"""Reads a chunk of an upload with one copy of its bytes.

protobuf makes two, into the message and out of it. Nearly all that a server receives are such messages in the one form
that protobuf writes, so this form is read by hand; whatever differs is left to protobuf. The copy that is left is for
google_crc32c, which takes no memoryview.
"""

from tinysphere.ingestion.receiving import UploadChunk

# UploadPackageRequest.chunk; UploadChunk's offset, data and crc32c.
_CHUNK, _OFFSET, _DATA, _CRC32C = 0x12, 0x08, 0x12, 0x1D
_CRC32C_BYTES = 4
_MAX_LENGTH_BYTES, _MAX_OFFSET_BYTES = 4, 9  # of a varint: below 256 MiB; not negative


def read_chunk(content: bytes) -> UploadChunk | None:
    """The chunk in an UploadPackageRequest, or None: not in the usual form."""
    try:
        return _read(content)
    except (IndexError, ValueError):
        return None


def _read(content: bytes) -> UploadChunk | None:
    chunk_size, at = _field(content, 0, _CHUNK, _MAX_LENGTH_BYTES)
    if at + chunk_size != len(content):
        return None
    offset = 0
    if content[at] == _OFFSET:  # left out where it is 0
        offset, at = _field(content, at, _OFFSET, _MAX_OFFSET_BYTES)
    data_size, at = _field(content, at, _DATA, _MAX_LENGTH_BYTES)
    end = at + data_size
    if end + 1 + _CRC32C_BYTES != len(content) or content[end] != _CRC32C:
        return None
    crc32c = int.from_bytes(content[end + 1 :], "little")
    return UploadChunk(offset=offset, data=content[at:end], crc32c=crc32c)


def _field(content: bytes, at: int, tag: int, most_bytes: int) -> tuple[int, int]:
    """The varint behind a tag, and where it ends.

    Raises:
        IndexError: ``content`` ends before.
        ValueError: another tag, or a varint of more than ``most_bytes``.
    """
    if content[at] != tag:
        raise ValueError("another field")
    value = 0
    for number in range(most_bytes):
        byte = content[at + 1 + number]
        value |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return value, at + 2 + number
    raise ValueError("a long varint")

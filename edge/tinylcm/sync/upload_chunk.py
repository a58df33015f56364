"""Writes a chunk of an upload with one copy of its bytes.

protobuf makes two, into the message and out of it; nearly all that a device sends are such messages.
"""

from typing import TypeAlias

import google_crc32c
import grpc

from tinymlops.v1 import ingestion_service_pb2 as wire

UploadMethod: TypeAlias = "grpc.StreamStreamMultiCallable[bytes, wire.UploadPackageResponse]"

# UploadPackageRequest.chunk; UploadChunk's offset, data and crc32c.
_CHUNK, _OFFSET, _DATA, _CRC32C = b"\x12", b"\x08", b"\x12", b"\x1d"
_CRC32C_BYTES = 4


def upload_method(channel: grpc.Channel) -> UploadMethod:
    """UploadPackage, whose requests are bytes already."""
    return channel.stream_stream(
        "/tinymlops.v1.IngestionService/UploadPackage",
        response_deserializer=wire.UploadPackageResponse.FromString,
    )


def write_chunk(offset: int, data: bytes) -> bytes:
    """The bytes of an UploadPackageRequest with a chunk, as protobuf writes them; ``data`` is not empty."""
    place = _OFFSET + _varint(offset) if offset else b""
    check = google_crc32c.value(data)
    end = _CRC32C + check.to_bytes(_CRC32C_BYTES, "little") if check else b""
    beginning = place + _DATA + _varint(len(data))
    size = len(beginning) + len(data) + len(end)
    return b"".join((_CHUNK, _varint(size), beginning, data, end))


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)

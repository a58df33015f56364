"""Byte streams an archive is read from: stored, decompressed, counted."""

import io
import zlib
from collections.abc import Iterator
from typing import Protocol

import zstandard

from tinysphere.domain.packages import PackageFormat
from tinysphere.ingestion.archive.limits import bomb, corrupt

MAX_ZSTD_WINDOW_BYTES = (
    32 * 1024 * 1024
)  # what the decoder must hold; zstd's own levels ask for 8 MiB at most


READ_BYTES = 256 * 1024
GZIP_WINDOW_BITS = zlib.MAX_WBITS + 16


class Readable(Protocol):
    """Anything with `read`."""

    def read(self, size: int, /) -> bytes: ...


class ChunkStream(io.RawIOBase):
    """A file-like view of an iterator of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # typeshed's Buffer
        """Fill part of ``buffer``; 0 at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class GzipStream:
    """Decompressed gzip members, one after the other. zlib reads their headers, of any length, in C."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._rest = b""
        self._inflater = zlib.decompressobj(GZIP_WINDOW_BITS)

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; empty at the end."""
        while True:
            packed = self._rest or self._source.read(READ_BYTES)
            if self._inflater.eof:
                if not packed:
                    return b""
                self._inflater = zlib.decompressobj(GZIP_WINDOW_BITS)
            piece = self._inflater.decompress(packed, size)
            self._rest = self._inflater.unconsumed_tail or self._inflater.unused_data
            if piece:
                return piece
            if not packed:
                raise EOFError("the gzip member is cut short")


class UnpackedStream:
    """Decompressed bytes, at most ``limit_bytes`` of them."""

    def __init__(self, source: Readable, limit_bytes: int) -> None:
        self._source = source
        self._left_bytes = limit_bytes

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end.

        Raises:
            ArchiveError: ARCHIVE_CORRUPT or ARCHIVE_BOMB.
        """
        pieces = []
        while size > 0:
            piece = self._read(size)
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read(self, size: int) -> bytes:
        try:
            piece = self._source.read(size)
        except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
            raise corrupt(f"cannot be decompressed: {error}") from error
        self._left_bytes -= len(piece)
        if self._left_bytes < 0:
            raise bomb("unpacks to more bytes than allowed")
        return piece


def unpacked(chunks: Iterator[bytes], package_format: PackageFormat, limit_bytes: int) -> UnpackedStream:
    """What a stored package is once it is decompressed."""
    stored = io.BufferedReader(ChunkStream(chunks), READ_BYTES)
    source: Readable = stored
    if package_format is PackageFormat.TAR_ZSTD:
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW_BYTES)
        source = decompressor.stream_reader(stored, read_across_frames=True)
    elif package_format in (PackageFormat.TAR_GZIP, PackageFormat.GZIP):
        source = GzipStream(stored)
    return UnpackedStream(source, limit_bytes)

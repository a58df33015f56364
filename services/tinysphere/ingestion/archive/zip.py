"""Walks the regular files of a ZIP, stored or deflated.

Not `zipfile`: it reads a directory of any stated size into memory. Members must follow each other in the order
of the directory, which rules out overlapping ones. Format: PKWARE APPNOTE 6.3, without ZIP64.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tinysphere.ingestion.archive.limits import MAX_MEMBERS, bomb, check_path, corrupt, forbidden
from tinysphere.ingestion.archive.member import Member

MAX_DIRECTORY_BYTES = 1024 * 1024
MAX_COMMENT_BYTES = 65535
READ_BYTES = 256 * 1024

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\5\6"
_ENTRY = struct.Struct("<4s6H3L5H2L")
_ENTRY_SIGNATURE = b"PK\1\2"
_LOCAL = struct.Struct("<4s5H3L2H")
_LOCAL_SIGNATURE = b"PK\3\4"
_ZIP64 = 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
_ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000
_UNIX = 3
_FILE_TYPE_MASK, _FILE_TYPES = 0o170000, (0, 0o100000)

OpenAt = Callable[[int], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    path: str
    method: int
    crc32: int
    packed_bytes: int
    size_bytes: int
    offset: int


def walk_zip(open_at: OpenAt, stored_bytes: int, limit_bytes: int) -> Iterator[Member]:
    """Yield each regular file; what the caller leaves unread is passed over.

    Args:
        open_at: Reads the stored bytes from an offset on.
        stored_bytes: Size of the archive.
        limit_bytes: Most bytes it may unpack to.

    Raises:
        ArchiveError: damaged, too large, or anything but regular files.
    """
    directory_offset, entries = _directory(open_at, stored_bytes)
    if sum(entry.size_bytes for entry in entries) > limit_bytes:
        raise bomb("states more bytes than allowed")
    ends = [entry.offset for entry in entries[1:]] + [directory_offset]
    for entry, end in zip(entries, ends, strict=False):  # without entries, one end too many
        contents = _Contents(entry, _packed(open_at, entry, end))
        member = Member(entry.path, entry.size_bytes, contents.read)
        yield member
        member.skip()
        contents.check_end()


class _Contents:
    """The unpacked bytes of one member."""

    def __init__(self, entry: _Entry, packed: Iterator[bytes]) -> None:
        self._entry = entry
        self._packed = packed
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else None
        self._rest = b""
        self._crc32 = 0

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end."""
        pieces = []
        while size > 0 and (piece := self._piece(size)):
            self._crc32 = zlib.crc32(piece, self._crc32)
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def check_end(self) -> None:
        """Raise unless the checksum matches and nothing is left."""
        if self._piece(1):
            raise corrupt(f"{self._entry.path} is longer than stated")
        if self._crc32 != self._entry.crc32:
            raise corrupt(f"the checksum of {self._entry.path} does not match")

    def _piece(self, size: int) -> bytes:
        while True:
            if not self._rest:
                self._rest = next(self._packed, b"")
            if self._inflater is None:
                piece, self._rest = self._rest[:size], self._rest[size:]
                return piece
            at_end = not self._rest
            try:
                piece = self._inflater.decompress(self._rest, size)
            except zlib.error as error:
                raise corrupt(f"{self._entry.path} cannot be decompressed: {error}") from error
            self._rest = self._inflater.unconsumed_tail
            if piece or at_end or self._inflater.eof:
                return piece


def _directory(open_at: OpenAt, stored_bytes: int) -> tuple[int, list[_Entry]]:
    """Offset of the directory, and its entries."""
    tail_offset = max(0, stored_bytes - _END.size - MAX_COMMENT_BYTES)
    tail = b"".join(open_at(tail_offset))
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or len(tail) - at < _END.size:
        raise corrupt("has no end-of-directory record")
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(tail, at)
    if _ZIP64 in (size, offset) or disk or first_disk or here != count:
        raise forbidden("ZIP64 and split archives are not accepted")
    if count > MAX_MEMBERS or size > MAX_DIRECTORY_BYTES:
        raise bomb(f"more than {MAX_MEMBERS} members")
    if at + _END.size + comment != len(tail) or offset + size != tail_offset + at:
        raise corrupt("its end-of-directory record makes no sense")
    return offset, _entries(_take(open_at(offset), size), count)


def _entries(directory: bytes, count: int) -> list[_Entry]:
    found: list[_Entry] = []
    at = 0
    for _ in range(count):
        if directory[at : at + 4] != _ENTRY_SIGNATURE or len(directory) < at + _ENTRY.size:
            raise corrupt("its directory is damaged")
        fields = _ENTRY.unpack_from(directory, at)
        name_bytes, extra_bytes, comment_bytes = fields[10:13]
        at += _ENTRY.size
        found.append(_entry(fields, directory[at : at + name_bytes]))
        at += name_bytes + extra_bytes + comment_bytes
        if len(found) > 1 and found[-1].offset <= found[-2].offset:
            raise corrupt("its members overlap or are out of order")
    if at != len(directory):
        raise corrupt("its directory is damaged")
    return found


def _entry(fields: tuple[int, ...], name: bytes) -> _Entry:
    path = check_path(name.decode("utf-8", "replace"))
    made_by, flags, method = fields[1] >> 8, fields[3], fields[4]
    if flags & _ENCRYPTED_FLAGS:
        raise forbidden(f"{path} is encrypted")
    if method not in (_STORED, _DEFLATED):
        raise forbidden(f"{path} is compressed with method {method}; expected stored or deflated")
    if made_by == _UNIX and (fields[15] >> 16) & _FILE_TYPE_MASK not in _FILE_TYPES:
        raise forbidden(f"{path} is not a regular file")
    return _Entry(
        path=path,
        method=method,
        crc32=fields[7],
        packed_bytes=fields[8],
        size_bytes=fields[9],
        offset=fields[16],
    )


def _packed(open_at: OpenAt, entry: _Entry, end: int) -> Iterator[bytes]:
    """The packed bytes of a member that must end before offset ``end``."""
    if entry.offset >= end:
        raise corrupt(f"{entry.path} lies outside the archive")
    header = _take(open_at(entry.offset), _LOCAL.size)
    if len(header) != _LOCAL.size or not header.startswith(_LOCAL_SIGNATURE):
        raise corrupt(f"{entry.path} has no header")
    name_bytes, extra_bytes = _LOCAL.unpack(header)[9:11]
    start = entry.offset + _LOCAL.size + name_bytes + extra_bytes
    if start + entry.packed_bytes > end:
        raise corrupt(f"{entry.path} overlaps what follows")
    name = _take(open_at(entry.offset + _LOCAL.size), name_bytes)
    if name != entry.path.encode():
        raise corrupt(f"{entry.path} has another name in its header")
    return _limited(open_at(start), entry.packed_bytes)


def _limited(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:size]
        size -= len(chunk)
        if size <= 0:
            return


def _take(chunks: Iterator[bytes], size: int) -> bytes:
    return b"".join(_limited(chunks, size))

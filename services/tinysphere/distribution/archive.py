"""A strict reader of the bundle's container: an uncompressed ustar file of a few regular files.

Own code instead of `tarfile`: bundles use a dozen lines of the format, and everything else tar can express
(links, devices, sparse files, extended headers, base-256 sizes) is refused unread, before any signature is
checked. Nothing is ever extracted.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tinysphere.errors import InvalidRequestError

BLOCK_BYTES = 512
MAX_MEMBERS = 16
_READ_BYTES = 1024 * 1024
_REGULAR = (b"0", b"\0")
_EMPTY_BLOCK = bytes(BLOCK_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file inside the archive; ``offset`` is where its first byte lies."""

    name: str
    offset: int
    size_bytes: int


def bundle_invalid(message: str) -> InvalidRequestError:
    """The file is not a bundle, or contradicts itself."""
    return InvalidRequestError("BUNDLE_INVALID", f"bundle: {message}")


def read_members(file: BinaryIO, size_bytes: int) -> dict[str, Member]:
    """List the files of an archive by name, in their order.

    Args:
        file: The archive, seekable.
        size_bytes: Its size.

    Raises:
        InvalidRequestError: BUNDLE_INVALID, it is not such an archive.
    """
    members: dict[str, Member] = {}
    offset = 0
    while (header := _block(file, offset)) != _EMPTY_BLOCK:
        member = _member(header, offset + BLOCK_BYTES)
        if member.name in members or len(members) == MAX_MEMBERS:
            raise bundle_invalid(f"expected at most {MAX_MEMBERS} files, each once, got {member.name!r}")
        members[member.name] = member
        offset = member.offset + -(-member.size_bytes // BLOCK_BYTES) * BLOCK_BYTES
        if offset > size_bytes:
            raise bundle_invalid(f"{member.name!r} is cut off")
    _require_zeros(file, offset)
    return members


def read_member(file: BinaryIO, member: Member, max_bytes: int) -> bytes:
    """Content of a small file.

    Raises:
        InvalidRequestError: BUNDLE_INVALID, it is larger than ``max_bytes``.
    """
    if member.size_bytes > max_bytes:
        raise bundle_invalid(f"{member.name}: expected at most {max_bytes} bytes, got {member.size_bytes}")
    return b"".join(_pieces(file, member))


def digest_of(file: BinaryIO, member: Member) -> str:
    """SHA-256 of a file inside the archive, 64 lower-case hex digits."""
    digest = hashlib.sha256()
    for piece in _pieces(file, member):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(file: BinaryIO, member: Member) -> Iterator[bytes]:
    file.seek(member.offset)
    left = member.size_bytes
    while left:
        piece = file.read(min(left, _READ_BYTES))
        if not piece:
            raise bundle_invalid(f"{member.name!r} is cut off")
        left -= len(piece)
        yield piece


def _block(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    block = file.read(BLOCK_BYTES)
    if len(block) != BLOCK_BYTES:
        raise bundle_invalid("expected an uncompressed tar file that ends with empty blocks")
    return block


def _member(header: bytes, content_offset: int) -> Member:
    if header[257:262] != b"ustar" or header[156:157] not in _REGULAR:
        raise bundle_invalid("expected a tar file of regular files only")
    checked = header[:148] + b" " * 8 + header[156:]
    if _octal(header[148:156]) != sum(checked):
        raise bundle_invalid("a tar header is damaged")
    name, prefix = header[:100].rstrip(b"\0"), header[345:500].strip(b"\0")
    if prefix or not name.isascii():
        raise bundle_invalid("expected plain file names of at most 100 characters")
    return Member(name=name.decode("ascii"), offset=content_offset, size_bytes=_octal(header[124:136]))


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or any(digit not in b"01234567" for digit in digits):
        raise bundle_invalid("a tar header has a size or checksum that is not octal")
    return int(digits, 8)


def _require_zeros(file: BinaryIO, offset: int) -> None:
    """Nothing may hide behind the end: equal content means equal bytes."""
    file.seek(offset)
    while piece := file.read(_READ_BYTES):
        if piece.count(0) != len(piece):
            raise bundle_invalid("expected nothing behind the end of the tar file")

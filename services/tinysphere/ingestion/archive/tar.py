"""Walks the regular files of a POSIX tar.

Not `tarfile`: it reads extended headers of any stated size into memory, keeps every member, and turns damage
into a dozen kinds of exceptions. This one knows regular files and the long names of the two common writers.
Format: POSIX.1-1988 (ustar), pax of POSIX.1-2001, GNU long names.
"""

from collections.abc import Iterator

from tinysphere.ingestion.archive.limits import MAX_MEMBERS, bomb, check_path, corrupt, forbidden
from tinysphere.ingestion.archive.member import Member
from tinysphere.ingestion.archive.streams import READ_BYTES, UnpackedStream

BLOCK_BYTES = 512
MAX_EXTENDED_BYTES = 64 * 1024

_END = bytes(BLOCK_BYTES)
_REGULAR = (b"0", b"\0", b"7")
_PAX_NEXT, _PAX_ALL, _GNU_LONG_NAME = b"x", b"g", b"L"
_SIZE, _CHECKSUM, _TYPE = slice(124, 136), slice(148, 156), slice(156, 157)
_NAME, _MAGIC, _PREFIX = slice(0, 100), slice(257, 262), slice(345, 500)


def walk_tar(stream: UnpackedStream) -> Iterator[Member]:
    """Yield each regular file; what the caller leaves unread is passed over.

    Raises:
        ArchiveError: damaged, too many members, or anything but regular files.
    """
    extended: dict[str, str] = {}
    count = 0
    while (header := _header(stream)) is not None:
        kind, size = header[_TYPE], _number(header[_SIZE])
        if kind in (_PAX_NEXT, _PAX_ALL, _GNU_LONG_NAME):
            content = _extended(stream, size)
            if kind != _PAX_ALL:  # what holds for all members can only be times and owners
                extended |= {"path": _text(content)} if kind == _GNU_LONG_NAME else _pax(content)
            continue
        if kind not in _REGULAR:
            raise forbidden(f"member {_name(header)[:100]!r} is not a regular file")
        count += 1
        if count > MAX_MEMBERS:
            raise bomb(f"more than {MAX_MEMBERS} members")
        size = _decimal(extended["size"]) if "size" in extended else size
        member = Member(check_path(extended.get("path") or _name(header)), size, stream.read)
        extended = {}
        yield member
        member.skip()
        _skip_padding(stream, size)
    _check_end(stream)


def _header(stream: UnpackedStream) -> bytes | None:
    """The next header block; None at the end of the archive."""
    block = stream.read(BLOCK_BYTES)
    if len(block) != BLOCK_BYTES:
        raise corrupt("ends without an end-of-archive block")
    if block == _END:
        return None
    unchecked = bytearray(block)
    unchecked[_CHECKSUM] = b" " * 8
    if sum(unchecked) != _number(block[_CHECKSUM]):
        raise corrupt("a header's checksum does not match")
    return block


def _check_end(stream: UnpackedStream) -> None:
    """Read what follows: zeros, and the checksum of a compressed stream."""
    while rest := stream.read(READ_BYTES):
        if rest.strip(b"\0"):
            raise corrupt("goes on after its end-of-archive block")


def _extended(stream: UnpackedStream, size: int) -> bytes:
    if size > MAX_EXTENDED_BYTES:
        raise bomb("an extended header is too long")
    content = stream.read(size)
    if len(content) != size:
        raise corrupt("ends inside an extended header")
    _skip_padding(stream, size)
    return content


def _skip_padding(stream: UnpackedStream, size: int) -> None:
    padding = -size % BLOCK_BYTES
    if len(stream.read(padding)) != padding:
        raise corrupt("ends inside the padding of a member")


def _name(header: bytes) -> str:
    name = _text(header[_NAME])
    prefix = _text(header[_PREFIX]) if header[_MAGIC] == b"ustar" and header[262:263] == b"\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")


def _number(field: bytes) -> int:
    """An octal number, or GNU's base-256 for large ones."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise corrupt("a header field is not an octal number")
    return int(digits, 8)


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise corrupt("an extended header's size is not a number")
    return int(text)


def _pax(content: bytes) -> dict[str, str]:
    """The path and size records of "<length> <key>=<value>\\n" records."""
    found = {}
    while content:
        length_text, _, _ = content.partition(b" ")
        length = _decimal(length_text.decode("ascii", "replace"))
        record, content = content[:length], content[length:]
        key, separator, value = record[len(length_text) + 1 :].partition(b"=")
        if len(record) != length or not separator or not value.endswith(b"\n"):
            raise corrupt("an extended header's record makes no sense")
        if key.startswith(b"GNU.sparse"):
            raise forbidden("a sparse file")
        if key in (b"path", b"size"):
            found[key.decode()] = value[:-1].decode("utf-8", "replace")
    return found

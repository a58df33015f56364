"""Reads a package that is no archive: a line with the manifest, then the bytes of its only entry."""

from collections.abc import Iterator

from tinysphere.domain.packages import ManifestEntry
from tinysphere.errors import InvalidFieldError
from tinysphere.ingestion.archive.limits import MAX_MANIFEST_BYTES, ArchiveError, check_path, corrupt
from tinysphere.ingestion.archive.member import Member
from tinysphere.ingestion.archive.streams import READ_BYTES, UnpackedStream
from tinysphere.ingestion.archive.verify import MANIFEST_PATH, ParseManifest


def walk_single(stream: UnpackedStream, parse: ParseManifest) -> Iterator[Member]:
    """Yield the manifest, then the entry; what the caller leaves unread is passed over.

    Raises:
        ArchiveError: MANIFEST_MISSING, MANIFEST_INVALID, or the bytes make no sense.
    """
    line, begun = _first_line(stream)
    yield Member(MANIFEST_PATH, len(line), _Joined(line, None).read)
    entry = _entry(line, parse)
    member = Member(check_path(entry.path), entry.size_bytes, _Joined(begun, stream).read)
    yield member
    member.skip()
    if len(begun) > entry.size_bytes or stream.read(1):
        raise corrupt(f"goes on after {entry.path}")


def _first_line(stream: UnpackedStream) -> tuple[bytes, bytes]:
    """The line without its end, and what was read beyond it."""
    data = b""
    while (end := data.find(b"\n")) < 0:
        piece = stream.read(READ_BYTES)
        if not piece or len(data) > MAX_MANIFEST_BYTES:
            raise ArchiveError(
                "MANIFEST_MISSING", f"the first {len(data)} bytes hold no line with a manifest"
            )
        data += piece
    return data[:end], data[end + 1 :]


def _entry(line: bytes, parse: ParseManifest) -> ManifestEntry:
    try:
        entries = parse(line).entries
    except InvalidFieldError as error:
        raise ArchiveError("MANIFEST_INVALID", f"{MANIFEST_PATH}: {error}") from error
    if len(entries) != 1:
        raise ArchiveError("MANIFEST_INVALID", f"expected one entry, the manifest lists {len(entries)}")
    return entries[0]


class _Joined:
    """Bytes already read, then the rest of their stream."""

    def __init__(self, begun: bytes, stream: UnpackedStream | None) -> None:
        self._begun = memoryview(begun)
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end."""
        piece, self._begun = bytes(self._begun[:size]), self._begun[size:]
        missing = size - len(piece)
        return piece + self._stream.read(missing) if missing and self._stream is not None else piece

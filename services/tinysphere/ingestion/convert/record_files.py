"""Record files: length-delimited messages (`.pb`), or canonical JSON, one a line (`.jsonl`)."""

from collections.abc import Iterator
from typing import Protocol, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from tinysphere.errors import InvalidRequestError

MAX_RECORD_BYTES = 2 * 1024 * 1024  # a sample with the largest picture fits
MAX_LINE_BYTES = 3 * 1024 * 1024  # the same in JSON, where bytes take a third more
MAX_SIZE_PREFIX_BYTES = 4
READ_BYTES = 256 * 1024

MessageT = TypeVar("MessageT", bound=Message)


class RecordFile(Protocol):
    """A record file, read once."""

    @property
    def path(self) -> str: ...

    def read(self, size: int) -> bytes: ...


def read_messages(file: RecordFile, kind: type[MessageT]) -> Iterator[tuple[int, MessageT]]:
    """Number from 1, and message.

    Raises:
        InvalidRequestError: RECORDS_UNREADABLE.
    """
    if file.path.endswith(".pb"):
        return enumerate(_delimited(file, kind), start=1)
    if file.path.endswith(".jsonl"):
        return enumerate(_json_lines(file, kind), start=1)
    raise InvalidRequestError("RECORDS_UNREADABLE", f"{file.path}: expected a name ending in .pb or .jsonl")


def _delimited(file: RecordFile, kind: type[MessageT]) -> Iterator[MessageT]:
    """Most records are short and many: no call for each byte, and none for most sizes."""
    data, at = b"", 0
    while True:
        if len(data) - at < MAX_SIZE_PREFIX_BYTES:
            data, at = data[at:] + file.read(READ_BYTES), 0
            if not data:
                return
        size, at = (data[at], at + 1) if data[at] < 0x80 else _varint(file, data, at)
        missing = at + size - len(data)
        if missing > 0:
            data, at = data[at:] + _more(file, missing), 0
        try:
            yield kind.FromString(data[at : at + size])
        except DecodeError as error:
            raise _unreadable(file, f"expected the bytes of a {kind.DESCRIPTOR.full_name}") from error
        at += size


def _varint(file: RecordFile, data: bytes, at: int) -> tuple[int, int]:
    """A record's size, and where it begins."""
    size = 0
    for place, byte in enumerate(data[at : at + MAX_SIZE_PREFIX_BYTES]):
        size |= (byte & 0x7F) << (7 * place)
        if byte < 0x80 and size <= MAX_RECORD_BYTES:
            return size, at + place + 1
    if len(data) - at < MAX_SIZE_PREFIX_BYTES and data[-1] >= 0x80:
        raise _unreadable(file, "ends inside a record")
    raise _unreadable(file, f"a record is longer than {MAX_RECORD_BYTES} bytes")


def _more(file: RecordFile, missing: int) -> bytes:
    """At least so many bytes more."""
    pieces, found = [], 0
    while found < missing:
        piece = file.read(READ_BYTES)
        if not piece:
            raise _unreadable(file, "ends inside a record")
        pieces.append(piece)
        found += len(piece)
    return b"".join(pieces)


def _json_lines(file: RecordFile, kind: type[MessageT]) -> Iterator[MessageT]:
    for line in _lines(file):
        if not line.strip():
            continue
        try:
            yield json_format.Parse(line.decode(), kind(), ignore_unknown_fields=True)
        except (ValueError, RecursionError, json_format.ParseError) as error:
            raise _unreadable(file, f"expected the JSON of a {kind.DESCRIPTOR.full_name}: {error}") from error


def _lines(file: RecordFile) -> Iterator[bytes]:
    """Lines without their ends; the last one may lack its own."""
    rest = b""
    while piece := file.read(READ_BYTES):
        first, *others = piece.split(b"\n")
        rest += first
        for other in others:
            yield rest
            rest = other
        if len(rest) > MAX_LINE_BYTES:
            raise _unreadable(file, f"a line is longer than {MAX_LINE_BYTES} bytes")
    if rest:
        yield rest


def _unreadable(file: RecordFile, what: str) -> InvalidRequestError:
    return InvalidRequestError("RECORDS_UNREADABLE", f"{file.path}: {what}")

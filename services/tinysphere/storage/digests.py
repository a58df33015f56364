"""What every blob store shares: the name of a blob, and the check of its bytes on their way in and out."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator

from tinysphere.errors import DamagedDataError, InvalidRequestError, NotFoundError, OutOfRangeError

READ_BYTES = 256 * 1024

_SHA256 = re.compile(r"[0-9a-f]{64}")


def blob_name(sha256: str) -> str:
    """The relative path of a blob.

    Raises:
        ValueError: not a digest; a caller's text never names a path.
    """
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"expected 64 lower-case hex digits, got {sha256!r}")
    return f"{sha256[:2]}/{sha256}"


def digest_of(name: str) -> str | None:
    """The digest of the blob of that relative path; None when it is not the path of one."""
    sha256 = name.rpartition("/")[2]
    return sha256 if _SHA256.fullmatch(sha256) and blob_name(sha256) == name else None


def arriving(chunks: Iterable[bytes], *, sha256: str, size_bytes: int) -> Iterator[bytes]:
    """The chunks as they are stored; the last one comes only when digest and size of all are right.

    Raises:
        InvalidRequestError: DIGEST_MISMATCH, instead of the last chunk.
    """

    def mismatch(came: str) -> Exception:
        return InvalidRequestError("DIGEST_MISMATCH", f"expected {size_bytes} bytes of {sha256}, got {came}")

    return _whole(chunks, sha256, size_bytes, mismatch)


def stored(chunks: Iterable[bytes], *, sha256: str, size_bytes: int) -> Iterator[bytes]:
    """The chunks of a whole blob as they are read; the last one comes only when their digest is right.

    Raises:
        DamagedDataError: BLOB_CORRUPT, instead of the last chunk.
    """

    def corrupt(came: str) -> Exception:
        return DamagedDataError("BLOB_CORRUPT", f"the stored blob {sha256} is damaged: it holds {came}")

    return _whole(chunks, sha256, size_bytes, corrupt)


def require_offset(sha256: str, offset: int, size_bytes: int | None) -> int:
    """The size of a blob that can be read from ``offset``.

    Raises:
        NotFoundError: BLOB_NOT_FOUND, the size is None.
        OutOfRangeError: BLOB_OFFSET_BEYOND_END.
    """
    if size_bytes is None:
        raise blob_not_found(sha256)
    if not 0 <= offset <= size_bytes:
        raise OutOfRangeError("BLOB_OFFSET_BEYOND_END", f"offset {offset} is beyond {size_bytes} bytes")
    return size_bytes


def blob_not_found(sha256: str) -> NotFoundError:
    """The error."""
    return NotFoundError("BLOB_NOT_FOUND", f"no blob {sha256}")


def _whole(
    chunks: Iterable[bytes], sha256: str, size_bytes: int, error: Callable[[str], Exception]
) -> Iterator[bytes]:
    digest, size, held = hashlib.sha256(), 0, b""
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if size > size_bytes:
            raise error("more")
        if held:
            yield held
        held = chunk
    if size != size_bytes or digest.hexdigest() != sha256:
        raise error(f"{size} of {digest.hexdigest()}")
    if held:
        yield held

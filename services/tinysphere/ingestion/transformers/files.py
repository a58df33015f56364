"""PREDICTION_IMAGES and MODEL_STATE: files kept as blobs, remembered by package and path."""

from tinysphere.domain.packages import EntryKind
from tinysphere.errors import InvalidRequestError
from tinysphere.ingestion.archive.member import Member
from tinysphere.ingestion.transformers.step import Sinks, Step

MAX_IMAGE_BYTES = 16 * 1024 * 1024

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def transform_files(step: Step, sinks: Sinks) -> int:
    """Keep every file; see `Transformer`."""
    count = 0
    for entry, file in step.files:
        step.keep_alive()
        content = _picture(file) if entry.kind is EntryKind.PREDICTION_IMAGES else file.pieces()
        sinks.blobs.put(content, sha256=entry.sha256, size_bytes=entry.size_bytes)
        sinks.files.add(step.package, entry)
        count += 1
    return count


def _picture(file: Member) -> list[bytes]:
    if file.size_bytes > MAX_IMAGE_BYTES:
        raise InvalidRequestError("IMAGE_TOO_LARGE", f"{file.path}: at most {MAX_IMAGE_BYTES} bytes")
    content = file.read(MAX_IMAGE_BYTES)
    if not content.startswith(_PICTURES):
        raise InvalidRequestError("IMAGE_UNREADABLE", f"{file.path}: expected a PNG or JPEG file")
    return [content]

"""Pictures for reviewers, with nothing but zlib."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from tinylcm.records import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2}  # channels -> PNG colour type: grey, RGB
_LEVEL = 6


class PngEncoder:
    """Grey ``(h, w)``, ``(h, w, 1)`` or RGB ``(h, w, 3)`` uint8 as PNG; anything else has no picture."""

    def encode(self, content: NDArray[np.generic]) -> Image | None:
        """Returns the picture of a frame's content, or None when it is none."""
        pixels = content[..., None] if content.ndim == 2 else content
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.size == 0:
            return None
        if pixels.shape[2] not in _COLOUR_TYPES:
            return None
        return Image(format="PNG", content=_encode(pixels))


class NoImages:
    """For devices whose pictures must stay where they are: features only."""

    def encode(self, content: NDArray[np.generic]) -> Image | None:
        """Returns None."""
        return None


def _encode(pixels: NDArray[np.generic]) -> bytes:
    height, width, channels = pixels.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # first byte of a row: filter 0, none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), _LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

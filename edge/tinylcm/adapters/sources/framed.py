"""Frames in a byte stream, each with a header and a checksum, so that garbage between them harms nothing.

A message, all numbers little-endian: ``"TLCM"``, ``crc32 u32``, ``size u32``, ``sequence u32``,
``capture_time_us u64``, then ``size`` bytes of content. The checksum (zlib's CRC-32) is of everything behind it.
The content is one frame in C order: as many bytes as the model's input has elements are uint8 pixels, four times as
many are float32 values.
``sequence`` grows by one; ``capture_time_us`` counts microseconds since 1970, 0 for "on arrival".
"""

import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinylcm.adapters.sources.live import Captured
from tinylcm.adapters.sources.tally import SourceTally
from tinylcm.ports import Clock

MAGIC = b"TLCM"
HEADER = struct.Struct("<4sIIIQ")
_CHECKED_FROM = len(MAGIC) + 4
_MICROSECOND = timedelta(microseconds=1)
_MAX_CLOCK_ERROR_US = timedelta(days=1) // _MICROSECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HALF_RANGE = 1 << 31


def encode_frame(content: NDArray[np.generic], *, sequence: int = 0, capture_time_us: int = 0) -> bytes:
    """Returns the message of one frame, ``uint8`` or ``float32``."""
    payload = np.ascontiguousarray(content, content.dtype.newbyteorder("<")).tobytes()
    unchecked = HEADER.pack(MAGIC, 0, len(payload), sequence & 0xFFFFFFFF, capture_time_us)
    checked = unchecked[_CHECKED_FROM:] + payload
    return MAGIC + struct.pack("<I", zlib.crc32(checked)) + checked


class FrameDecoder:
    """Finds frames of one shape; holds at most one message and one chunk."""

    def __init__(self, shape: tuple[int, ...], tally: SourceTally, clock: Clock) -> None:
        self._shape = shape
        self._dtypes: dict[int, np.dtype[Any]] = {
            prod(shape): np.dtype(np.uint8),
            4 * prod(shape): np.dtype("<f4"),
        }
        self._tally = tally
        self._clock = clock
        self._buffer = bytearray()
        self._is_astray = False
        self._sequence: int | None = None

    def feed(self, chunk: bytes) -> Iterator[Captured]:
        """Takes bytes and yields the frames that they complete."""
        self._buffer += chunk
        while self._find_message():
            _, checksum, size, sequence, time_us = HEADER.unpack_from(self._buffer)
            end = HEADER.size + size
            if size not in self._dtypes:
                self._reject(f"a content of {size} bytes; expected {' or '.join(map(str, self._dtypes))}")
            elif len(self._buffer) < end:
                return
            elif zlib.crc32(self._buffer[_CHECKED_FROM:end]) != checksum:
                self._reject("a checksum that does not fit")
            else:
                content = np.frombuffer(bytes(self._buffer[HEADER.size : end]), self._dtypes[size])
                del self._buffer[:end]
                yield from self._accept(content.reshape(self._shape), sequence, time_us)

    def _find_message(self) -> bool:
        """Drops what is before the next message, and says whether its header is complete."""
        start = self._buffer.find(MAGIC)
        if start < 0:
            start = max(len(self._buffer) - len(MAGIC) + 1, 0)
            while start < len(self._buffer) and not MAGIC.startswith(self._buffer[start:]):
                start += 1
        if start:
            self._go_astray("bytes between messages")
        del self._buffer[:start]
        return len(self._buffer) >= HEADER.size

    def _reject(self, reason: str) -> None:
        """Goes on behind the magic: its size may lie, and a whole message may follow within."""
        self._go_astray(reason)
        del self._buffer[: len(MAGIC)]

    def _go_astray(self, reason: str) -> None:
        if not self._is_astray:
            self._tally.count_malformed(reason)
        self._is_astray = True

    def _accept(self, content: NDArray[np.generic], sequence: int, time_us: int) -> Iterator[Captured]:
        self._is_astray = False
        if self._sequence is not None:
            step = (sequence - self._sequence) % (1 << 32)
            self._tally.missed_frames += step - 1 if 0 < step < _HALF_RANGE else 0
        self._sequence = sequence
        if np.isfinite(content).all():
            yield Captured(content, self._capture_time(time_us))
        else:
            self._tally.count_malformed("a frame with NaN or infinity")

    def _capture_time(self, time_us: int) -> datetime | None:
        """The sender's time, when its clock is not obviously wrong."""
        now = self._clock.now()
        age_us = (now - _EPOCH) // _MICROSECOND - time_us
        return now - age_us * _MICROSECOND if abs(age_us) <= _MAX_CLOCK_ERROR_US else None

"""Whatever comes between messages, every whole frame arrives, once, and nothing grows."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tinylcm.builders import START, HandClock
from tinylcm.adapters.sources.framed import HEADER, FrameDecoder, encode_frame
from tinylcm.adapters.sources.live import Captured
from tinylcm.adapters.sources.tally import SourceTally

SHAPE = (4, 3, 1)
MICROSECONDS = round((START - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def pixels(number: int) -> NDArray[np.uint8]:
    return np.full(SHAPE, number, np.uint8)


class Line:
    """A decoder and what came out of it."""

    def __init__(self) -> None:
        self.tally = SourceTally()
        self.decoder = FrameDecoder(SHAPE, self.tally, HandClock())
        self.captured: list[Captured] = []

    def receive(self, stream: bytes, *, chunk_bytes: int = 1 << 16) -> list[int]:
        for start in range(0, len(stream), chunk_bytes):
            self.captured += self.decoder.feed(stream[start : start + chunk_bytes])
        return [int(captured.content.flat[0]) for captured in self.captured]

    @property
    def held_bytes(self) -> int:
        return len(self.decoder._buffer)


@pytest.fixture
def line() -> Line:
    return Line()


def test_the_format_is_what_the_documentation_says(line: Line) -> None:
    body = struct.pack("<IIQ", 12, 7, MICROSECONDS) + bytes(range(12))
    message = b"TLCM" + struct.pack("<I", zlib.crc32(body)) + body

    assert encode_frame(
        np.frombuffer(bytes(range(12)), np.uint8), sequence=7, capture_time_us=MICROSECONDS
    ) == (message)
    line.receive(message)
    (captured,) = line.captured
    assert captured.capture_time == START
    assert captured.content.dtype == np.uint8
    np.testing.assert_array_equal(captured.content, np.arange(12, dtype=np.uint8).reshape(SHAPE))


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 16])
def test_frames_arrive_however_they_are_cut(line: Line, chunk_bytes: int) -> None:
    stream = b"".join(encode_frame(pixels(number), sequence=number) for number in range(20))

    assert line.receive(stream, chunk_bytes=chunk_bytes) == list(range(20))
    assert line.tally == SourceTally()


def test_values_are_told_from_pixels_by_their_size(line: Line) -> None:
    values = np.linspace(-1, 1, 12, dtype=np.float32).reshape(SHAPE)

    line.receive(encode_frame(values))
    assert line.captured[0].content.dtype == np.float32
    np.testing.assert_array_equal(line.captured[0].content, values)


GARBAGE = {
    "noise": bytes(range(1, 200)),
    "a beginning of the magic": b"TLC",
    "magic after magic": b"TLCM" * 9,
    "half a frame": encode_frame(pixels(99))[:21],
    "a frame of another size": encode_frame(np.zeros(11, np.uint8)),
    "an empty frame": encode_frame(np.zeros(0, np.uint8)),
    "a huge size": HEADER.pack(b"TLCM", 1, 0xFFFFFFFF, 2, 3),
    "a flipped bit": bytes([*encode_frame(pixels(99))[:-1], 98]),
    "a flipped bit of the header": encode_frame(pixels(99)).replace(b"\x0c\0\0\0", b"\x0c\0\0\0", 1)[:12]
    + b"\x01"
    + encode_frame(pixels(99))[13:],
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 16])
def test_garbage_costs_no_whole_frame(line: Line, garbage: bytes, chunk_bytes: int) -> None:
    stream = b"".join(garbage + encode_frame(pixels(number), sequence=number) for number in range(5))

    assert line.receive(stream, chunk_bytes=chunk_bytes) == list(range(5))
    assert line.tally.malformed_inputs == 5
    assert line.held_bytes == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_frames_that_are_not_finite_are_counted(line: Line, value: float) -> None:
    line.receive(encode_frame(np.full(SHAPE, value, np.float32)))

    assert not line.captured
    assert line.tally.malformed_inputs == 1


@pytest.mark.parametrize("garbage", [b"\0" * 4096, b"TLCM" * 1024, HEADER.pack(b"TLCM", 0, 48, 0, 0) * 170])
def test_a_million_bytes_of_garbage_leave_nothing_behind(line: Line, garbage: bytes) -> None:
    for _ in range(250):
        line.receive(garbage)
        assert line.held_bytes <= HEADER.size + 4 * 12

    line.receive(bytes(100))
    assert line.receive(encode_frame(pixels(5))) == [5]


def test_missing_numbers_are_counted_and_a_new_sender_is_not(line: Line) -> None:
    for sequence in (0xFFFFFFFE, 0xFFFFFFFF, 0, 3, 3, 1000, 0, 1):
        line.receive(encode_frame(pixels(1), sequence=sequence))

    assert len(line.captured) == 8
    assert line.tally.missed_frames == 2 + 996


@pytest.mark.parametrize("time_us", [0, 1, MICROSECONDS - 2 * 86_400_000_000, 2**64 - 1])
def test_a_sender_without_a_clock_is_not_believed(line: Line, time_us: int) -> None:
    line.receive(encode_frame(pixels(1), capture_time_us=time_us))

    assert line.captured[0].capture_time is None

"""A window is so many readings in a row, or it is none."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tinylcm.adapters.sources.readings import WindowDecoder
from tinylcm.adapters.sources.tally import SourceTally


def decoder(
    *, hop_readings: int = 0, starts_midway: bool = False, shape: tuple[int, ...] = (4, 2)
) -> tuple[WindowDecoder, SourceTally]:
    tally = SourceTally()
    return WindowDecoder(shape, tally, hop_readings=hop_readings, starts_midway=starts_midway), tally


def starts(decoder: WindowDecoder, stream: bytes, *, chunk_bytes: int = 1 << 16) -> list[float]:
    """First number of every window."""
    chunks = [stream[start : start + chunk_bytes] for start in range(0, len(stream), chunk_bytes)]
    return [float(found.content.flat[0]) for chunk in chunks for found in decoder.feed(chunk)]


def lines(*numbers: float) -> bytes:
    return b"".join(b"%g,%g\n" % (number, -number) for number in numbers)


@pytest.mark.parametrize("chunk_bytes", [1, 5, 1 << 16])
@pytest.mark.parametrize(
    ("hop_readings", "expected"), [(0, [0, 4, 8]), (1, [*range(9)]), (3, [0, 3, 6]), (6, [0, 6])]
)
def test_windows_hop(hop_readings: int, expected: list[int], chunk_bytes: int) -> None:
    gather, tally = decoder(hop_readings=hop_readings)

    assert starts(gather, lines(*range(12)), chunk_bytes=chunk_bytes) == expected
    assert tally == SourceTally()


def test_a_window_holds_its_readings_in_order() -> None:
    gather, _ = decoder(shape=(3, 2, 1))

    (window,) = gather.feed(lines(1, 2, 3))
    assert window.content.dtype == np.float32
    np.testing.assert_array_equal(window.content[:, :, 0], [[1, -1], [2, -2], [3, -3]])


@pytest.mark.parametrize(
    "line", ["1.5,-2e-3", " 1.5 -2e-3\r", "1.5;-2e-3", "1.5\t-2e-3", json.dumps([1.5, -2e-3])]
)
def test_numbers_may_be_written_in_many_ways(line: str) -> None:
    gather, tally = decoder(shape=(1, 2))

    (window,) = gather.feed(f"\n{line}\n\r\n".encode())
    np.testing.assert_array_equal(window.content, np.array([[1.5, -2e-3]], np.float32))
    assert tally == SourceTally()


@pytest.mark.parametrize(
    "garbage",
    [b"1", b"1,2,3", b"a,b", b"nan,1", b"inf,1", b"1e39,1", b"-1e400,1", b'{"x": 1}', b"\xff\xfe\0", b","],
)
def test_what_is_no_reading_begins_the_window_anew(garbage: bytes) -> None:
    gather, tally = decoder()

    assert starts(gather, lines(0, 1, 2) + garbage + b"\n" + lines(3, 4, 5, 6)) == [3]
    assert tally.malformed_inputs == 1


def test_the_rest_of_a_line_is_no_reading() -> None:
    gather, tally = decoder(starts_midway=True)

    assert starts(gather, b"2,-12\n" + lines(0, 1, 2, 3)) == [0]
    assert tally == SourceTally()


@pytest.mark.parametrize("chunk_bytes", [1000, 1 << 16])
def test_a_line_without_an_end_is_not_kept(chunk_bytes: int) -> None:
    gather, tally = decoder()
    assert starts(gather, b"1" * 1_000_000, chunk_bytes=chunk_bytes) == []

    assert len(gather._line) <= 1 << 16
    assert starts(gather, b"1,1\n" + lines(0, 1, 2, 3)) == [0]
    assert tally.malformed_inputs > 0

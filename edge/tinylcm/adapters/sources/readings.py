"""Readings in a byte stream, a line each, gathered into windows.

A line holds the numbers of one reading, with commas, semicolons or blanks between them; a JSON list is one too. The
model's input shape ``(n, ...)`` says how many numbers make a reading and that n readings make a window. A window is n
readings in a row or it is none: a line that is no reading begins it anew.
"""

from collections import deque
from collections.abc import Iterator
from math import prod

import numpy as np

from tinylcm.adapters.sources.live import Captured
from tinylcm.adapters.sources.tally import SourceTally

_MAX_LINE_BYTES = 1 << 16
_LARGEST = float(np.finfo(np.float32).max)
_SEPARATORS = bytes.maketrans(b",;[]\t", b"     ")


class WindowDecoder:
    """Gathers readings into overlapping windows, ``float32``.

    Args:
        hop_readings: Readings from the beginning of a window to that of the next; 0 for a whole window.
        starts_midway: Whether the first bytes may be the rest of a line, which then is passed over.
    """

    def __init__(
        self, shape: tuple[int, ...], tally: SourceTally, *, hop_readings: int, starts_midway: bool
    ) -> None:
        self._shape = shape
        self._number_count = prod(shape[1:])
        self._hop_readings = hop_readings or shape[0]
        self._tally = tally
        self._readings: deque[list[float]] = deque(maxlen=shape[0])
        self._missing_count = shape[0]
        self._line = b""
        self._skips_line = starts_midway

    def feed(self, chunk: bytes) -> Iterator[Captured]:
        """Takes bytes and yields the windows that they complete."""
        *lines, self._line = (self._line + chunk).split(b"\n")
        for line in lines:
            if self._skips_line:
                self._skips_line = False
            elif line.strip():
                yield from self._take(line)
        if len(self._line) > _MAX_LINE_BYTES:
            self._begin_anew("a line without an end")
            self._skips_line, self._line = True, b""

    def _take(self, line: bytes) -> Iterator[Captured]:
        reading = self._reading(line)
        if reading is None:
            self._begin_anew(f"a line that is not {self._number_count} finite numbers")
            return
        self._readings.append(reading)
        self._missing_count -= 1
        if not self._missing_count:
            self._missing_count = self._hop_readings
            yield Captured(np.array(self._readings, np.float32).reshape(self._shape))

    def _reading(self, line: bytes) -> list[float] | None:
        try:
            reading = [float(word) for word in line.translate(_SEPARATORS).split()]
        except ValueError:
            return None
        # a comparison with NaN is false
        is_fit = len(reading) == self._number_count and all(abs(value) <= _LARGEST for value in reading)
        return reading if is_fit else None

    def _begin_anew(self, reason: str) -> None:
        self._tally.count_malformed(reason)
        self._readings.clear()
        self._missing_count = self._shape[0]

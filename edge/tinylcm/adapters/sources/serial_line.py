"""A serial line, by the terminal interface of the system: 8 data bits, no parity, nothing translated."""

import os
import select
import termios
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tinylcm.adapters.sources.sensor import CHUNK_BYTES, TICK_S, Chunks
from tinylcm.errors import InputError


class SerialLine:
    """A device file such as /dev/ttyACM0; only read, never written to."""

    def __init__(self, path: Path, *, baud_rate: int) -> None:
        self._path = path
        self._baud_rate = baud_rate

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return f"serial line {self._path}"

    def check(self) -> str:
        """Opens the line for a moment."""
        with self.open():
            return f"{self.name} opens at {self._baud_rate} baud"

    @contextmanager
    def open(self) -> Iterator[Chunks]:
        """Opens the line; it raises OSError when the device is gone.

        Raises:
            InputError: The file is no serial line.
        """
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            self._set_up(descriptor)
            with closing(_chunks(descriptor)) as chunks:
                yield chunks
        finally:
            os.close(descriptor)

    def _set_up(self, descriptor: int) -> None:
        try:
            *_, control_characters = termios.tcgetattr(descriptor)
            speed = getattr(termios, f"B{self._baud_rate}")
            control = termios.CS8 | termios.CREAD | termios.CLOCAL
            # input, output, control and local flags: all that edits or echoes is off
            attributes = [termios.IGNBRK, 0, control, 0, speed, speed, control_characters]
            termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
            termios.tcflush(descriptor, termios.TCIFLUSH)
        except termios.error as error:  # not an OSError
            raise InputError(f"{self._path} is no serial line: {error}") from error


def _chunks(descriptor: int) -> Chunks:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while True:
        if not poll.poll(TICK_S * 1000):
            yield b""
            continue
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            raise OSError("it was hung up")
        yield chunk

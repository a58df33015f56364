"""A sensor: bytes that come in somehow, and what makes frames of them."""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Protocol

from tinylcm.adapters.sources.live import Captured, Captures, InputShape

TICK_S = 0.2
CHUNK_BYTES = 1 << 16

Chunks = Generator[bytes | None, None, None]
"""Bytes as they come; b"" when none came for `TICK_S`, None when another sender begins."""


class ByteStream(Protocol):
    """A serial line, or a socket that a sensor's process connects to."""

    @property
    def name(self) -> str:
        """What it is called in the log."""

    def open(self) -> AbstractContextManager[Chunks]:
        """Opens it; a stream that ends raises OSError."""

    def check(self) -> str:
        """Tries it, and says in a sentence what was found; fails as `open` does."""


class Decoder(Protocol):
    """Makes frames of a stream's bytes, within a bounded buffer."""

    def feed(self, chunk: bytes) -> Iterator[Captured]:
        """Takes bytes and yields the frames that they complete."""


MakeDecoder = Callable[[tuple[int, ...], bool], Decoder]
"""Makes a decoder for the model's input shape; True when the bytes may begin within a message."""


class SensorInput:
    """A byte stream and its decoder, as a live input."""

    def __init__(self, stream: ByteStream, make_decoder: MakeDecoder, *, input_shape: InputShape) -> None:
        self._stream = stream
        self._make_decoder = make_decoder
        self._input_shape = input_shape

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return self._stream.name

    def check(self) -> str:
        """Tries the stream."""
        return self._stream.check()

    @contextmanager
    def open(self) -> Iterator[Captures]:
        """Opens the stream."""
        with self._stream.open() as chunks, closing(self._decoded(chunks)) as captures:
            yield captures

    def _decoded(self, chunks: Chunks) -> Captures:
        shape: tuple[int, ...] | None = None
        decoder: Decoder | None = None
        for chunk in chunks:
            wanted = self._input_shape()
            if chunk is None:
                decoder = None if wanted is None else self._make_decoder(wanted, False)
            elif wanted != shape:  # the first bytes, or another model
                decoder = None if wanted is None else self._make_decoder(wanted, True)
            shape = wanted
            if chunk and decoder is not None:
                yield from decoder.feed(chunk)
            yield None

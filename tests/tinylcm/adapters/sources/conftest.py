"""A live source in a test's hand: read in its own thread, as the daemon reads it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.tinylcm.builders import HandClock
from tinylcm.adapters.sources.live import LiveInput, LiveSource
from tinylcm.adapters.sources.tally import SourceTally
from tinylcm.records import Frame

SHAPE = (4, 3, 1)


class Reader:
    """Reads a source until the test ends; what came is in `frames`."""

    def __init__(self) -> None:
        self.tally = SourceTally()
        self.shape: tuple[int, ...] | None = SHAPE
        self.frames: list[Frame] = []
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def input_shape(self) -> tuple[int, ...] | None:
        return self.shape

    def start(self, live_input: LiveInput, *, first_index: int = 0) -> None:
        source = LiveSource(
            live_input,
            HandClock(),
            input_shape=self.input_shape,
            tally=self.tally,
            wait=self._stopping.wait,
        )
        self._thread = threading.Thread(target=self._run, args=(source, first_index))
        self._thread.start()

    def _run(self, source: LiveSource, first_index: int) -> None:
        for frame in source.frames(first_index):
            with self._changed:
                self.frames.append(frame)
                self._changed.notify_all()

    @property
    def values(self) -> list[float]:
        """First value of every frame."""
        return [float(frame.content.flat[0]) for frame in self.frames]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Looks again and again, for at most half a minute."""
        with self._changed:
            for _ in range(600):
                if condition():
                    return
                self._changed.wait(0.05)
        raise AssertionError(f"it never came to that; {self.values}, {self.tally}")

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(30)
            assert not self._thread.is_alive()


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.stop()

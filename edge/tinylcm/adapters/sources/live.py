"""A source that goes on by itself, is gone at times, and comes back."""

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tinylcm.adapters.sources.tally import SourceTally
from tinylcm.ports import Clock
from tinylcm.records import Frame

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0

InputShape = Callable[[], tuple[int, ...] | None]
"""Tells what the running model takes, e.g. ``(28, 28, 1)``; None while there is no model."""

_LOGGER = logging.getLogger(__name__)


class Captured(NamedTuple):
    """A frame's content, and when it was captured: None for "just now"."""

    content: NDArray[np.generic]
    capture_time: datetime | None = None


Captures = Generator[Captured | None, None, None]
"""What an open input gives; None, at least twice a second, when there is nothing."""


class LiveInput(Protocol):
    """A camera or a sensor."""

    @property
    def name(self) -> str:
        """What it is called in the log."""

    def open(self) -> AbstractContextManager[Captures]:
        """Opens it; opening and reading may fail with any error, and may be tried again."""

    def check(self) -> str:
        """Tries it, and says in a sentence what was found; fails as `open` does."""


class LiveSource:
    """Frames of a live input, opened anew whenever it breaks; it ends only with the device.

    Args:
        wait: Waits so many seconds and returns True when the device is stopping.
    """

    is_live = True
    frames_per_second: float | None = None

    def __init__(
        self,
        live_input: LiveInput,
        clock: Clock,
        *,
        input_shape: InputShape,
        tally: SourceTally,
        wait: Callable[[float], bool],
    ) -> None:
        self._input = live_input
        self._clock = clock
        self._input_shape = input_shape
        self._tally = tally
        self._wait = wait
        self._pause_s = FIRST_PAUSE_S
        self._is_lost = False

    def check(self) -> str:
        """Tries the input, and says in a sentence what was found."""
        return self._input.check()

    def frames(self, first_index: int) -> Iterator[Frame]:
        """Yields frames as they come, counted from ``first_index`` on."""
        index = first_index
        while not self._wait(0.0):
            if self._input_shape() is None:  # without a model nobody knows what a frame is
                self._wait(FIRST_PAUSE_S)
                continue
            try:
                for captured in self._captures():
                    yield self._frame(index, captured)
                    index += 1
            except Exception as error:  # whatever a driver raises: the device outlives it
                self._note_loss(error)
                self._wait(self._pause_s)
                self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def _captures(self) -> Iterator[Captured]:
        with self._input.open() as captures:
            _LOGGER.info("%s is open", self._input.name)
            for captured in captures:
                if self._wait(0.0):
                    return
                if captured is not None:
                    self._note_return()
                    yield captured

    def _frame(self, index: int, captured: Captured) -> Frame:
        capture_time = captured.capture_time or self._clock.now()
        return Frame(source_index=index, capture_time=capture_time, content=captured.content)

    def _note_loss(self, error: Exception) -> None:
        if not self._is_lost:
            self._tally.outages += 1
        level = logging.DEBUG if self._is_lost else logging.WARNING
        _LOGGER.log(level, "%s is lost, and is tried again: %s", self._input.name, error)
        self._is_lost = True

    def _note_return(self) -> None:
        self._pause_s = FIRST_PAUSE_S
        self._is_lost = False

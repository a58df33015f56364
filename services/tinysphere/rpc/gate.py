"""What lets streams in, and shows them out when the server drains."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tinysphere.errors import ExhaustedError, UnavailableError

STREAM_RETRY_AFTER_S = 5.0
DRAIN_RETRY_AFTER_S = 2.0

Interrupt = Callable[[UnavailableError], None]


class Gate:
    """Keeps streams to their share of the server's threads, and ends them when the server drains."""

    def __init__(self, *, stream_limit: int) -> None:
        self._slots = threading.BoundedSemaphore(stream_limit)
        self._lock = threading.Lock()
        self._interrupts: set[Interrupt] = set()
        self._is_closed = False

    def close(self) -> None:
        """Let no stream begin; have those that wait for a message end now, and the others with their next one."""
        with self._lock:
            self._is_closed = True
            waiting = list(self._interrupts)
        for interrupt in waiting:
            interrupt(_draining())

    def check_open(self) -> None:
        """Raise UnavailableError/DRAINING once closed."""
        if self._is_closed:
            raise _draining()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Hold one stream's thread."""
        self.check_open()
        if not self._slots.acquire(blocking=False):
            raise ExhaustedError(
                "TOO_MANY_STREAMS",
                "all threads for streams are taken; come back later",
                retry_after_s=STREAM_RETRY_AFTER_S,
            )
        try:
            yield
        finally:
            self._slots.release()

    @contextmanager
    def interrupting(self, interrupt: Interrupt) -> Iterator[None]:
        """Have `close` call ``interrupt`` while the block runs.

        Raises:
            UnavailableError: DRAINING, it is closed already.
        """
        with self._lock:
            self.check_open()
            self._interrupts.add(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._interrupts.discard(interrupt)


def _draining() -> UnavailableError:
    return UnavailableError(
        "DRAINING", "the server is shutting down; reconnect", retry_after_s=DRAIN_RETRY_AFTER_S
    )

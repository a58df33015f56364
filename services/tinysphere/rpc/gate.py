"""What lets calls in, and shows them out when the server drains.

A stream that waits for a message is interrupted, one that sends ends with its next message, a short call ends by
itself. What then is still there waits for its peer: a download nobody reads, a request that never comes whole. The
gate knows when only such calls are left.

Too many calls are told so, with the time to come back: streams first, then short calls, those a device lives by never.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tinysphere.errors import ExhaustedError, UnavailableError
from tinysphere.rpc.comeback import ComebackTimes

DRAIN_RETRY_AFTER_S = 2.0

Interrupt = Callable[[UnavailableError], None]
ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """How many are let in.

    Attributes:
        streams: Streams at once.
        waiting_streams: Calls that wait for a thread, beyond which no stream begins.
        waiting_calls: The same for short calls.
    """

    streams: int
    waiting_streams: int
    waiting_calls: int


class Gate:
    """Keeps streams to their share of the server's threads, and ends them when the server drains.

    Args:
        waiting_count: How many calls wait for a thread now.
    """

    def __init__(
        self, limits: GateLimits, comeback: ComebackTimes, waiting_count: Callable[[], int] = lambda: 0
    ) -> None:
        self._limits = limits
        self._comeback = comeback
        self._waiting_count = waiting_count
        self._lock = threading.Lock()
        self._stream_count = 0
        self._rested = threading.Condition(self._lock)
        self._working_count = 0
        self._interrupts: set[Interrupt] = set()
        self._is_closed = False

    def close(self) -> None:
        """Let no stream begin; have those that wait for a message end now, and the others with their next one."""
        with self._lock:
            self._is_closed = True
            waiting = list(self._interrupts)
        for interrupt in waiting:
            interrupt(_draining())

    def wait_for_work(self, timeout_s: float) -> bool:
        """Wait until no handler is at work any more; whether it came to that in time."""
        with self._rested:
            return self._rested.wait_for(lambda: self._working_count == 0, timeout_s)

    @contextmanager
    def working(self) -> Iterator[None]:
        """A handler is at work while the block runs."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def sent(self, responses: Iterator[ResponseT]) -> Iterator[ResponseT]:
        """The responses of a handler, which does not work while one is being sent: that may take its peer forever."""
        for response in responses:
            self._count(-1)
            try:
                yield response
            finally:
                self._count(1)

    def check_open(self) -> None:
        """Raise UnavailableError/DRAINING once closed."""
        if self._is_closed:
            raise _draining()

    @contextmanager
    def call(self, *, is_vital: bool) -> Iterator[None]:
        """A short call is at work while the block runs; a vital one is never turned away.

        Raises:
            UnavailableError: OVERLOADED.
        """
        if not is_vital:
            self._check_calm(self._limits.waiting_calls)
        with self.working():
            yield

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Hold one stream's thread, at work.

        Raises:
            UnavailableError: DRAINING, OVERLOADED.
            ExhaustedError: TOO_MANY_STREAMS.
        """
        self.check_open()
        self._check_calm(self._limits.waiting_streams)
        self._take_stream()
        try:
            with self.working():
                yield
        finally:
            with self._lock:
                self._stream_count -= 1

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

    def share(self, whole: int, most: int) -> int:
        """What one stream may have of what all share: ``most``, less when there are many, at least 1."""
        return max(1, min(most, whole // max(1, self._stream_count)))

    def _take_stream(self) -> None:
        with self._lock:
            if self._stream_count < self._limits.streams:
                self._stream_count += 1
                return
        raise ExhaustedError(
            "TOO_MANY_STREAMS",
            "all threads for streams are taken; come back later",
            retry_after_s=self._comeback.next_s(),
        )

    def _check_calm(self, most_waiting: int) -> None:
        if self._waiting_count() > most_waiting:
            raise UnavailableError(
                "OVERLOADED",
                "too many calls wait; come back later",
                retry_after_s=self._comeback.next_s(),
            )

    def _count(self, change: int) -> None:
        with self._rested:
            self._working_count += change
            if not self._working_count:
                self._rested.notify_all()


def _draining() -> UnavailableError:
    return UnavailableError(
        "DRAINING", "the server is shutting down; reconnect", retry_after_s=DRAIN_RETRY_AFTER_S
    )

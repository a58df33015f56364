"""How long to wait before trying again, and when a transfer has to be given up."""

import random
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Backoff:
    """Full jitter: a uniform share of a ceiling that doubles with every failure and falls back on progress.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, *, first_s: float = 0.5, most_s: float, rng: random.Random) -> None:
        self._first_s = min(first_s, most_s)
        self._most_s = most_s
        self._rng = rng
        self._ceiling_s = self._first_s

    def reset(self) -> None:
        """Something got through: the next failure waits as briefly as the first."""
        self._ceiling_s = self._first_s

    def next_wait_s(self, *, at_least_s: float = 0.0) -> float:
        """Returns the wait after a failure; what a server asks for (``at_least_s``) comes on top."""
        wait_s = self._rng.uniform(0.0, self._ceiling_s)
        self._ceiling_s = min(self._ceiling_s * 2, self._most_s)
        return at_least_s + wait_s


class Watchdog:
    """Calls ``bite`` from its own thread, once, when it was not fed for ``timeout_s``; a context manager."""

    def __init__(self, timeout_s: float, bite: Callable[[], object]) -> None:
        self._timeout_s = timeout_s
        self._bite = bite
        self._fed = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def feed(self) -> None:
        """There was progress: begin to count again."""
        self._fed.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._fed.set()
        self._thread.join()

    def _watch(self) -> None:
        while self._fed.wait(self._timeout_s):
            self._fed.clear()
            if self._is_over:
                return
        self._bite()

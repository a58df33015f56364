"""When those that were turned away should come back.

Told the same time, they would all return together and be turned away together. So each is given a time of its own, as
if they queued: the next one a little after the one before, up to a bound, and all of it blurred.
"""

import threading
import time
from collections.abc import Callable

LEAST_S, MOST_S = 4.0, 60.0


class ComebackTimes:
    """Spreads returns, so that no more than some a second are to be expected.

    Args:
        returns_per_s: How many returns a second are welcome.
        random: Uniform in [0, 1).
    """

    def __init__(
        self,
        *,
        returns_per_s: float,
        random: Callable[[], float],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._step_s = 1 / returns_per_s
        self._random = random
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._last_s = monotonic_s()

    def next_s(self) -> float:
        """Seconds from now for one more: ``LEAST_S`` to ``MOST_S``, by half more or less."""
        with self._lock:
            now_s = self._monotonic_s()
            self._last_s = min(max(self._last_s, now_s) + self._step_s, now_s + MOST_S - LEAST_S)
            queued_s = self._last_s - now_s
        return (LEAST_S + queued_s) * (0.5 + self._random())

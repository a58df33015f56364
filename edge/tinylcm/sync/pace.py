"""The bandwidth a device may use for its packages."""

from collections.abc import Callable

BURST_S = 1.0


class Pace:
    """A token bucket that may go into debt: whoever takes is told how long to wait, and nobody sleeps here.

    Over any time t at most ``bytes_per_s * (t + BURST_S)`` bytes and one piece leave. Not shared between threads
    that take at the same time: a device sends one package after the other.

    Args:
        bytes_per_s: 0 for no limit.
        monotonic_s: The clock.
    """

    def __init__(self, bytes_per_s: float, *, monotonic_s: Callable[[], float]) -> None:
        self._bytes_per_s = bytes_per_s
        self._monotonic_s = monotonic_s
        self._tokens = bytes_per_s * BURST_S
        self._counted_s = monotonic_s()

    @property
    def piece_bytes(self) -> float:
        """Most bytes to take at once: what one second allows."""
        return max(self._bytes_per_s, 1.0) if self._bytes_per_s else float("inf")

    def take(self, size_bytes: int) -> float:
        """Takes so many bytes; returns the seconds to wait before they are sent."""
        if not self._bytes_per_s:
            return 0.0
        now_s = self._monotonic_s()
        gained = (now_s - self._counted_s) * self._bytes_per_s
        self._counted_s = now_s
        self._tokens = min(self._tokens + gained, self._bytes_per_s * BURST_S) - size_bytes
        return max(-self._tokens / self._bytes_per_s, 0.0)

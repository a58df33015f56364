"""The system's time, and ids that sort by it."""

import os
import threading
import time
from datetime import UTC, datetime


class SystemClock:
    """Wall clock, monotonic clock and UUIDv7 (RFC 9562); safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_ticks = 0

    def now(self) -> datetime:
        """Returns the wall clock, aware UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Returns seconds that never run backwards."""
        return time.monotonic()

    def new_id(self) -> str:
        """Returns a UUIDv7; ids of one process ascend even when the wall clock is set back.

        The 12 bits after the milliseconds hold their fraction (RFC 9562, section 6.2, method 3).
        """
        with self._lock:
            ticks = max(time.time_ns() * 4096 // 1_000_000, self._last_ticks + 1)
            self._last_ticks = ticks
        milliseconds, fraction = divmod(ticks, 4096)
        random = int.from_bytes(os.urandom(8)) >> 2
        value = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random
        digits = f"{value:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

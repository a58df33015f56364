"""One direction of a bad link, as pure rules: which packet arrives, and when."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator

from rig.quality import PERFECT, LinkQuality

_QUEUE_S = 1.0
_LEAST_QUEUE_BYTES = 15_000


class Pipe:
    """Packets go in at one end and come out at the other, late, in their order, or never.

    What is sent faster than the rate waits, a second of it or ten large packets at most; beyond that the last to come
    is dropped, as a modem does.

    >>> pipe = Pipe(random.Random(1))
    >>> pipe.quality = LinkQuality(delay_s=0.5, rate_bytes_per_s=100.0)
    >>> pipe.take(bytes(50), now_s=10.0), pipe.take(bytes(50), now_s=10.0), pipe.next_s
    (True, True, 11.0)
    >>> len(list(pipe.due(now_s=11.2))), pipe.next_s
    (1, 11.5)
    """

    def __init__(self, rng: random.Random) -> None:
        self.quality: LinkQuality = PERFECT
        self.is_silent = False
        self._rng = rng
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._free_s = 0.0
        self._last_s = 0.0

    @property
    def next_s(self) -> float | None:
        """When the next packet comes out; None when none is under way."""
        return self._under_way[0][0] if self._under_way else None

    def take(self, packet: bytes, *, now_s: float) -> bool:
        """Takes a packet in; False when it is lost."""
        # The dice are thrown for every packet, so that one packet more does not change the fate of all after it.
        is_lost, jitter = self._rng.random() < self.quality.loss_share, self._rng.uniform(-1.0, 1.0)
        starts_s = max(now_s, self._free_s)
        if is_lost or self.is_silent or self._is_full(starts_s - now_s):
            return False
        rate = self.quality.rate_bytes_per_s
        self._free_s = starts_s + (len(packet) / rate if rate else 0.0)
        arrives_s = self._free_s + self.quality.delay_s + jitter * self.quality.jitter_s
        self._last_s = max(self._last_s, arrives_s)
        self._under_way.append((self._last_s, packet))
        return True

    def due(self, *, now_s: float) -> Iterator[bytes]:
        """Yields what has arrived by now."""
        while self._under_way and self._under_way[0][0] <= now_s:
            yield self._under_way.popleft()[1]

    def _is_full(self, wait_s: float) -> bool:
        rate = self.quality.rate_bytes_per_s
        return rate is not None and wait_s * rate > max(rate * _QUEUE_S, _LEAST_QUEUE_BYTES)

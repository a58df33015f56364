"""What link a test wants, in words that every tier of the rig understands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Outages:
    """The link is silent for the last `length_s` of every `every_s`; nobody is told."""

    every_s: float
    length_s: float

    def __post_init__(self) -> None:
        if not 0 < self.length_s < self.every_s:
            raise ValueError(f"expected 0 < length_s < every_s, got {self.length_s} and {self.every_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkQuality:
    """A link, the same in both directions.

    Attributes:
        delay_s: From one end to the other.
        jitter_s: The delay varies by so much in each direction; packets stay in their order.
        loss_share: Share of the packets that never arrive.
        rate_bytes_per_s: Most bytes a second; None for no limit.
        outages: When it is silent; None for never.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss_share: float = 0.0
    rate_bytes_per_s: float | None = None
    outages: Outages | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.jitter_s <= self.delay_s:
            raise ValueError(f"expected 0 <= jitter_s <= delay_s, got {self.jitter_s} and {self.delay_s}")
        if not 0 <= self.loss_share < 1:
            raise ValueError(f"expected 0 <= loss_share < 1, got {self.loss_share}")

    def ideal_s(self, size_bytes: int) -> float:
        """Seconds in which a sender that wastes nothing gets so many bytes to the other end.

        The link is up at first, carries its rate without a header, and every lost byte goes once more.

        >>> LinkQuality(rate_bytes_per_s=100.0, delay_s=0.5).ideal_s(200)
        2.5
        >>> LinkQuality(rate_bytes_per_s=100.0, outages=Outages(every_s=3.0, length_s=1.0)).ideal_s(300)
        4.0
        """
        if self.rate_bytes_per_s is None:
            return self.delay_s
        sending_s = size_bytes / (self.rate_bytes_per_s * (1 - self.loss_share))
        return sending_s + self._silent_s(sending_s) + self.delay_s

    def _silent_s(self, sending_s: float) -> float:
        if self.outages is None:
            return 0.0
        up_s = self.outages.every_s - self.outages.length_s
        # An outage that begins when the last byte has left does not count.
        return self.outages.length_s * max(-(-sending_s // up_s) - 1, 0)


PERFECT = LinkQuality()

"""What is wrong with a faulty link, and what it counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFaults:
    """What is wrong with a link.

    Attributes:
        cut_every_s: Range of seconds between cuts of every open connection; None for no timed cuts.
        cut_after_bytes: Range of bytes, both directions together, after which one connection is cut.
        outage_s: Range of seconds that new connections are refused after a timed cut.
        reset: Cut with RST; otherwise with FIN.
        latency_s: Delay of every piece of data, one way.
        rate_bytes_per_s: Most bytes a second, each connection and direction; None for no limit.
    """

    cut_every_s: tuple[float, float] | None = None
    cut_after_bytes: tuple[int, int] | None = None
    outage_s: tuple[float, float] = (0.0, 0.0)
    reset: bool = True
    latency_s: float = 0.0
    rate_bytes_per_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCounts:
    """What happened on a link so far."""

    connection_count: int = 0
    refused_count: int = 0
    cut_count: int = 0
    up_bytes: int = 0
    down_bytes: int = 0

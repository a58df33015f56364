"""The TCP tier: a proxy on loopback before each service. It needs no root and knows no packets."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack

from rig.line import Line, Route
from rig.link import FaultyLink, LinkFaults
from rig.quality import LinkQuality


class ProxyLine(Line):
    """Device and server on this host; a blackhole leaves every connection open (a half-open link)."""

    can = frozenset({"delay_s", "rate_bytes_per_s", "outages"})

    def __init__(self, services: Sequence[str], *, seed: int) -> None:
        super().__init__()
        self._services = services
        self._seed = seed
        self.proxies: dict[str, FaultyLink] = {}

    def blackhole(self) -> None:
        """Moves no byte any more."""
        for proxy in self.proxies.values():
            proxy.stall()

    def heal(self) -> None:
        """Moves what waited, and the rest."""
        for proxy in self.proxies.values():
            proxy.heal()

    def _build(self, stack: ExitStack) -> None:
        with ExitStack() as reserved:
            sockets = [reserved.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in self._services]
            listen = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
        for number, (service, address) in enumerate(zip(self._services, listen, strict=True)):
            proxy = FaultyLink(address, LinkFaults(), seed=self._seed + number)
            self.proxies[service] = stack.enter_context(proxy)
        self.routes = {
            service: Route(listen=address, target=self.proxies[service].address, beside=address)
            for service, address in zip(self._services, listen, strict=True)
        }

    def _apply(self, quality: LinkQuality) -> None:
        rate = quality.rate_bytes_per_s
        faults = LinkFaults(latency_s=quality.delay_s, rate_bytes_per_s=None if rate is None else int(rate))
        for proxy in self.proxies.values():
            proxy.faults = faults
        self.heal()

"""A line between two namespaces: the hosts, their addresses, and a door for the test beside the line."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack

from rig.line import Line, Route
from rig.link import FaultyLink, LinkFaults
from rig.namespaces import Namespace, sweep_leftovers

INTERFACE = "line0"
DEVICE_ADDRESS, SERVER_ADDRESS = "192.0.2.1", "192.0.2.2"  # RFC 5737: for documentation, routed nowhere
_FIRST_PORT = 7101


class HostsLine(Line):
    """Device and server are hosts of their own."""

    def __init__(self, services: Sequence[str]) -> None:
        super().__init__()
        self._ports = {service: _FIRST_PORT + number for number, service in enumerate(services)}
        self.device_host, self.server_host = Namespace.anew("device"), Namespace.anew("server")

    @property
    def hosts(self) -> tuple[Namespace, Namespace]:
        """The device's, the server's."""
        return self.device_host, self.server_host

    def _build(self, stack: ExitStack) -> None:
        sweep_leftovers()
        for host in self.hosts:
            stack.enter_context(host)
        self._connect(stack)
        for host, own, other in (
            (self.device_host, DEVICE_ADDRESS, SERVER_ADDRESS),
            (self.server_host, SERVER_ADDRESS, DEVICE_ADDRESS),
        ):
            host.ip(f"address add {own} peer {other} dev {INTERFACE}")
            host.ip(f"link set {INTERFACE} up")
        self.device_prefix, self.server_prefix = self.device_host.prefix, self.server_host.prefix
        self.routes = {service: self._route(stack, port) for service, port in self._ports.items()}

    def _route(self, stack: ExitStack, port: int) -> Route:
        address = f"{SERVER_ADDRESS}:{port}"
        door = FaultyLink(address, LinkFaults(), seed=0, connect=self.server_host.connect)
        return Route(listen=address, target=address, beside=stack.enter_context(door).address)

    @abstractmethod
    def _connect(self, stack: ExitStack) -> None:
        """Makes `INTERFACE` on both hosts, the two ends of one line."""

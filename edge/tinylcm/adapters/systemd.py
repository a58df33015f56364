"""What a service tells systemd: ready, alive, stopping. The protocol is sd_notify(3): text in a Unix datagram."""

import socket
from collections.abc import Mapping
from typing import Self


class Supervisor:
    """Tells systemd how the service is; says nothing where nobody asked.

    Attributes:
        watchdog_s: How long systemd waits for the next `alive` before it ends the service; None: for ever.
    """

    def __init__(self, address: str | None = None, *, watchdog_s: float | None = None) -> None:
        self._address = address
        self.watchdog_s = watchdog_s

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], process_id: int) -> Self:
        """Reads what systemd gives a service of ``Type=notify`` that runs as ``process_id``."""
        watched = environment.get("WATCHDOG_PID", str(process_id)) == str(process_id)
        microseconds = environment.get("WATCHDOG_USEC", "") if watched else ""
        return cls(
            environment.get("NOTIFY_SOCKET") or None,
            watchdog_s=int(microseconds) / 1e6 if microseconds.isdecimal() else None,
        )

    def ready(self, status: str) -> None:
        """The service has begun its work."""
        self._tell("READY=1", f"STATUS={status}")

    def alive(self, status: str) -> None:
        """The service makes progress."""
        self._tell("WATCHDOG=1", f"STATUS={status}")

    def stopping(self) -> None:
        """The service ends in order."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
                link.settimeout(1.0)
                link.sendto("\n".join(lines).encode(), address)
        except OSError:
            return  # a supervisor that does not listen ends the service by itself

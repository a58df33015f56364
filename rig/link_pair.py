"""One connection that a faulty link forwards: two sockets, closed together and as the link says."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

_PIECE_BYTES = 16 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST


class Pair:
    """The two sockets of one forwarded connection, closed together and once."""

    def __init__(self, client: socket.socket, server: socket.socket, budget_bytes: int | None) -> None:
        self._sockets = (client, server)
        self._budget_bytes = budget_bytes
        self._lock = threading.Lock()
        self._closed = False

    @property
    def spent(self) -> bool:
        """Whether the byte budget is used up."""
        return self._budget_bytes is not None and self._budget_bytes <= 0

    def spend(self, size_bytes: int) -> bool:
        """Takes bytes from the budget; True when this used it up."""
        with self._lock:
            if self._budget_bytes is None or self._budget_bytes <= 0:
                return False
            self._budget_bytes -= size_bytes
            return self._budget_bytes <= 0

    def send(self, sink: socket.socket, piece: bytes) -> None:
        """Sends all of a piece, however slow the other end; ends with an OSError when the pair is closed."""
        rest = memoryview(piece)
        while rest:
            try:
                rest = rest[sink.send(rest) :]
            except TimeoutError:
                if self._closed:
                    raise

    def receive(self, source: socket.socket) -> bytes:
        """Waits for the next piece; empty at the end."""
        while True:
            try:
                return source.recv(_PIECE_BYTES)
            except TimeoutError:
                if self._closed:
                    raise

    def close(self, *, reset: bool) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for one in self._sockets:
            close(one, reset=reset)


def close(one: socket.socket, *, reset: bool) -> None:
    """Closes a socket with RST or FIN."""
    # A full shutdown would send FIN before the RST that close() is asked for; shutting down the reading half
    # only wakes the thread that is blocked in recv().
    steps: tuple[Callable[[], object], ...] = (
        lambda: reset and one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET),
        lambda: one.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR),
        one.close,
    )
    for step in steps:
        with suppress(OSError):
            step()

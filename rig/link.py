"""A TCP link that breaks: a proxy on loopback that cuts, stalls, slows and refuses as its seed says.

Everything is decided by one `random.Random`, so that a run can be repeated; only the scheduling of threads is
not in its hand.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType

_PIECE_BYTES = 16 * 1024
_CONNECT_TIMEOUT_S = 5.0
_SEND_CHECK_S = 0.2  # a sender blocked by a full buffer looks this often whether its connection was cut
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST


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


class FaultyLink:
    """Forwards one loopback port to a target "host:port", as well as `faults` let it.

    Use as a context manager. `faults` may be replaced while it runs; `stall()` keeps connections open without
    moving a byte (a half-open link), `refuse()` turns new connections away, `heal()` ends both.
    """

    def __init__(
        self,
        target: str,
        faults: LinkFaults,
        *,
        seed: int,
        port: int = 0,
        connect: Callable[[tuple[str, int]], socket.socket] | None = None,
    ) -> None:
        """Makes a link that is not open yet; ``connect`` reaches the target where it is on another host."""
        host, _, target_port = target.rpartition(":")
        self._target = (host, int(target_port))
        self.faults = faults
        self._random = random.Random(seed)
        self._port = port
        self._connect = connect or partial(socket.create_connection, timeout=_CONNECT_TIMEOUT_S)
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self._pairs: set[_Pair] = set()
        self._counts = LinkCounts()
        self._moving = threading.Event()
        self._moving.set()
        self._stopping = threading.Event()
        self._refused_until_s = 0.0

    def __enter__(self) -> FaultyLink:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True, name="link-accept").start()
        threading.Thread(target=self._cut_in_time, daemon=True, name="link-cuts").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._moving.set()
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(
                    socket.SHUT_RDWR
                )  # a close alone leaves the thread in accept() waiting
            self._listener.close()
        self._close_all()

    @property
    def address(self) -> str:
        """Where to connect instead of the target."""
        return f"127.0.0.1:{self._port}"

    @property
    def counts(self) -> LinkCounts:
        """What happened so far."""
        with self._lock:
            return self._counts

    def stall(self) -> None:
        """Keeps every connection open and moves nothing."""
        self._moving.clear()

    def refuse(self, duration_s: float = float("inf")) -> None:
        """Turns new connections away."""
        self._refused_until_s = time.monotonic() + duration_s

    def heal(self) -> None:
        """Ends a stall or a refusal."""
        self._refused_until_s = 0.0
        self._moving.set()

    def cut(self) -> int:
        """Breaks every open connection and returns how many there were."""
        cut_count = self._close_all()
        self._count(cut_count=cut_count)
        return cut_count

    def _close_all(self) -> int:
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            pair.close(reset=self.faults.reset)
        return len(pairs)

    def _accept(self) -> None:
        assert self._listener is not None
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(_SEND_CHECK_S)
            if time.monotonic() < self._refused_until_s:
                self._count(refused_count=1)
                _close(client, reset=True)
                continue
            self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = self._connect(self._target)
        except OSError:
            self._count(refused_count=1)
            _close(client, reset=True)
            return
        server.settimeout(_SEND_CHECK_S)
        limit = self.faults.cut_after_bytes
        pair = _Pair(client, server, self._random.randint(*limit) if limit else None)
        with self._lock:
            self._pairs.add(pair)
        self._count(connection_count=1)
        for source, sink, direction in ((client, server, "up_bytes"), (server, client, "down_bytes")):
            threading.Thread(
                target=self._forward,
                args=(pair, source, sink, direction),
                daemon=True,
                name=f"link-{direction}",
            ).start()

    def _forward(self, pair: _Pair, source: socket.socket, sink: socket.socket, direction: str) -> None:
        try:
            while piece := pair.receive(source):
                self._moving.wait()
                if delay_s := self.faults.latency_s + self._transmission_s(len(piece)):
                    time.sleep(delay_s)
                pair.send(sink, piece)
                self._count(**{direction: len(piece)})
                if pair.spend(len(piece)):
                    self._count(cut_count=1)
                    break
        except OSError:
            pass
        with self._lock:
            self._pairs.discard(pair)
        pair.close(reset=self.faults.reset and pair.spent)

    def _transmission_s(self, size_bytes: int) -> float:
        rate = self.faults.rate_bytes_per_s
        return size_bytes / rate if rate else 0.0

    def _cut_in_time(self) -> None:
        while not self._stopping.is_set():
            every_s = self.faults.cut_every_s
            if every_s is None:
                self._stopping.wait(0.1)
                continue
            if self._stopping.wait(self._random.uniform(*every_s)):
                return
            self.refuse(self._random.uniform(*self.faults.outage_s))
            self.cut()

    def _count(self, **more: int) -> None:
        with self._lock:
            self._counts = replace(
                self._counts, **{name: getattr(self._counts, name) + value for name, value in more.items()}
            )


class _Pair:
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
            _close(one, reset=reset)


def _close(one: socket.socket, *, reset: bool) -> None:
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

"""A TCP link that breaks: a proxy on loopback that cuts, stalls, slows and refuses as its seed says.

Everything is decided by one `random.Random`, so that a run can be repeated; only the scheduling of threads is
not in its hand.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import TracebackType

from rig.link_faults import LinkCounts, LinkFaults
from rig.link_pair import Pair, close

__all__ = ["FaultyLink", "LinkCounts", "LinkFaults"]

_CONNECT_TIMEOUT_S = 5.0
_SEND_CHECK_S = 0.2  # a sender blocked by a full buffer looks this often whether its connection was cut


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
        self._pairs: set[Pair] = set()
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
                close(client, reset=True)
                continue
            self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = self._connect(self._target)
        except OSError:
            self._count(refused_count=1)
            close(client, reset=True)
            return
        server.settimeout(_SEND_CHECK_S)
        limit = self.faults.cut_after_bytes
        pair = Pair(client, server, self._random.randint(*limit) if limit else None)
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

    def _forward(self, pair: Pair, source: socket.socket, sink: socket.socket, direction: str) -> None:
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

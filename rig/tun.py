"""The TUN tier: every packet between two hosts passes a relay process that delays, drops and slows it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace

from rig.hosts import INTERFACE, HostsLine
from rig.quality import LinkQuality
from rig.relay import RelayCounts

_END_TIMEOUT_S = 10


class TunLine(HostsLine):
    """Any link at all between two hosts, drawn from a seed."""

    can = frozenset(LinkQuality.__slots__)

    def __init__(self, services: Sequence[str], *, seed: int) -> None:
        super().__init__(services)
        self._seed = seed
        self._relay: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    @property
    def counts(self) -> RelayCounts:
        """What it carried so far."""
        return self._order({})

    def blackhole(self) -> None:
        """Drops every packet that comes in; what is under way arrives."""
        self._order({"is_silent": True})

    def heal(self) -> None:
        """Drops only what the quality says."""
        self._order({"is_silent": False})

    def _connect(self, stack: ExitStack) -> None:
        for host in self.hosts:
            host.ip(f"tuntap add dev {INTERFACE} mode tun")
        names = [host.name for host in self.hosts]
        command = ["rig.relay", *names, "--interface", INTERFACE, "--seed", str(self._seed)]
        self._relay = subprocess.Popen(
            [sys.executable, "-m", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        stack.callback(self._end, self._relay)
        assert self._relay.stdout is not None
        if self._relay.stdout.readline() != "ready\n":
            raise RuntimeError("the relay did not start; its message is above")

    def _apply(self, quality: LinkQuality) -> None:
        self._order({"quality": asdict(replace(quality, outages=None)), "is_silent": False})

    def _order(self, order: dict[str, object]) -> RelayCounts:
        assert self._relay is not None
        assert self._relay.stdin is not None
        assert self._relay.stdout is not None
        with self._lock:
            self._relay.stdin.write(json.dumps(order) + "\n")
            self._relay.stdin.flush()
            return RelayCounts(**json.loads(self._relay.stdout.readline()))

    @staticmethod
    def _end(relay: subprocess.Popen[str]) -> None:
        try:
            relay.communicate(timeout=_END_TIMEOUT_S)  # closes its stdin, which is its order to end
        except subprocess.TimeoutExpired:
            relay.kill()
            relay.communicate()

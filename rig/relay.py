"""Carries packets between the TUN devices of two namespaces, as badly as it is told: `python -m rig.relay`.

Its orders are lines of JSON on stdin, each answered by a line with its counts; it ends with stdin, so that it never
outlives whoever started it.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import json
import os
import random
import select
import struct
import sys
import time
from dataclasses import asdict, dataclass

from rig.namespaces import Namespace
from rig.pipe import Pipe
from rig.quality import LinkQuality

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_LARGEST_PACKET_BYTES = 65_536
_AT_ONCE = 64


@dataclass(slots=True)
class RelayCounts:
    """Packets of both directions."""

    carried_count: int = 0
    lost_count: int = 0
    carried_bytes: int = 0


class Relay:
    """Two TUN devices and a pipe in each direction.

    Args:
        descriptors: Of the TUN devices.
        seed: Decides what is lost, and by how much the delay varies.
    """

    def __init__(self, descriptors: tuple[int, int], *, seed: int) -> None:
        self._pipes = {
            source: (Pipe(random.Random(f"{seed}/{number}")), sink)
            for number, (source, sink) in enumerate((descriptors, descriptors[::-1]))
        }
        self.counts = RelayCounts()

    def obey(self, order: dict[str, object]) -> None:
        """Takes ``{"quality": {...}}`` and ``{"is_silent": true}``."""
        for pipe, _ in self._pipes.values():
            if isinstance(quality := order.get("quality"), dict):
                pipe.quality = LinkQuality(**quality)
            if isinstance(is_silent := order.get("is_silent"), bool):
                pipe.is_silent = is_silent

    def run(self, orders: int) -> None:
        """Carries packets until ``orders``, a descriptor, ends."""
        poll = select.poll()
        for descriptor in (orders, *self._pipes):
            poll.register(descriptor, select.POLLIN)
        unread = b""
        while True:
            for descriptor, _ in poll.poll(self._wait_ms()):
                if descriptor != orders:
                    self._read(descriptor)
                    continue
                if not (piece := os.read(orders, _LARGEST_PACKET_BYTES)):
                    return
                *lines, unread = (unread + piece).split(b"\n")
                for line in lines:
                    self.obey(json.loads(line))
                    print(json.dumps(asdict(self.counts)), flush=True)
            self._deliver()

    def _wait_ms(self) -> float | None:
        moments = [pipe.next_s for pipe, _ in self._pipes.values() if pipe.next_s is not None]
        return max(min(moments) - time.monotonic(), 0.0) * 1000 if moments else None

    def _read(self, source: int) -> None:
        pipe, _ = self._pipes[source]
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(source, _LARGEST_PACKET_BYTES)
            except BlockingIOError:
                return
            if not pipe.take(packet, now_s=time.monotonic()):
                self.counts.lost_count += 1

    def _deliver(self) -> None:
        for pipe, sink in self._pipes.values():
            for packet in pipe.due(now_s=time.monotonic()):
                try:
                    os.write(sink, packet)
                except OSError as error:
                    # The device is down or its queue is full: a packet more that is lost.
                    if error.errno not in (errno.EIO, errno.EAGAIN, errno.EINVAL, errno.ENOBUFS):
                        raise
                    self.counts.lost_count += 1
                    continue
                self.counts.carried_count += 1
                self.counts.carried_bytes += len(packet)


def open_tun(host: Namespace, interface: str) -> int:
    """Opens the TUN device of a host; what is written to the descriptor arrives there, and the other way round."""
    with host.inside():
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", interface.encode(), _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
    return descriptor


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hosts", nargs=2, metavar="NAMESPACE")
    parser.add_argument("--interface", required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    device, server = (open_tun(Namespace(name), options.interface) for name in options.hosts)
    print("ready", flush=True)
    Relay((device, server), seed=options.seed).run(sys.stdin.fileno())


if __name__ == "__main__":
    main()

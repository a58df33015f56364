"""Lines between hosts of their own: what they carry, lose and swallow, and that nothing of them is left behind."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig import namespaces
from rig.hosts import SERVER_ADDRESS, HostsLine
from rig.line import UnsupportedQualityError
from rig.quality import LinkQuality, Outages
from rig.tun import TunLine
from rig.veth import VethLine
from tests.conftest import Need
from tests.support.lines import new_line
from tests.support.waiting import eventually

PORT = 7101
DATAGRAMS = 400


@pytest.fixture(params=["veth", "tun"])
def line(request: pytest.FixtureRequest, need: Need) -> Iterator[HostsLine]:
    with new_line(request.param, ["ingestion"], need) as made:
        assert isinstance(made, HostsLine)
        yield made


def connected(line: HostsLine) -> tuple[socket.socket, socket.socket]:
    """A connection from the device's host to the server's, both ends."""
    with line.server_host.inside(), socket.create_server((SERVER_ADDRESS, PORT)) as listener:
        client = line.device_host.connect((SERVER_ADDRESS, PORT))
        server, _ = listener.accept()
    for one in (client, server):
        one.settimeout(30)
    return client, server


def pass_on(source: socket.socket, sink: socket.socket, content: bytes) -> bytes:
    """Sends and reads at the same time, so that no buffer has to hold all of it."""
    rest, got = memoryview(content), b""
    source.setblocking(False)
    while len(got) < len(content):
        readable, writable, _ = select.select([sink], [source] if rest else [], [], 30)
        assert readable or writable, "nothing moves"
        if writable:
            rest = rest[source.send(rest[:65536]) :]
        if readable:
            got += sink.recv(65536)
    return got


def arrived(line: HostsLine, count: int, size_bytes: int = 100) -> set[int]:
    """Sends so many datagrams and a few that say that it was all; returns the numbers of those that came."""
    with line.server_host.inside():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with line.device_host.inside():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.bind((SERVER_ADDRESS, PORT))
        for number in range(count):
            sender.sendto(number.to_bytes(4, "big").ljust(size_bytes, b"."), (SERVER_ADDRESS, PORT))
        receiver.settimeout(0.5)
        numbers: set[int] = set()

        def is_over() -> bool:
            sender.sendto(b"end", (SERVER_ADDRESS, PORT))
            try:
                while (datagram := receiver.recv(2000)) != b"end":
                    numbers.add(int.from_bytes(datagram[:4], "big"))
            except TimeoutError:
                return False
            return True

        eventually(is_over)
    return numbers


def test_a_line_carries_everything_both_ways_unchanged(line: HostsLine) -> None:
    content = os.urandom(1 << 20)
    client, server = connected(line)
    with client, server:
        assert pass_on(client, server, content) == content
        client.setblocking(True)
        assert pass_on(server, client, content) == content


def test_a_blackhole_swallows_everything_until_it_is_healed(line: HostsLine) -> None:
    client, server = connected(line)
    with client, server:
        line.blackhole()
        client.sendall(b"hello")
        server.settimeout(0.3)
        with pytest.raises(TimeoutError):
            server.recv(5)
        line.heal()
        server.settimeout(60)
        assert server.recv(5) == b"hello", "the kernel sends it again"


def test_some_datagrams_are_lost(line: HostsLine) -> None:
    line.shape(LinkQuality(loss_share=0.3))
    share = len(arrived(line, DATAGRAMS)) / DATAGRAMS
    assert 0.55 < share < 0.85
    line.shape(LinkQuality())
    assert len(arrived(line, DATAGRAMS)) == DATAGRAMS


def test_more_than_the_rate_is_not_carried(line: HostsLine) -> None:
    line.shape(LinkQuality(rate_bytes_per_s=50_000.0))
    assert len(arrived(line, DATAGRAMS, size_bytes=1000)) < DATAGRAMS // 2
    line.shape(LinkQuality())
    assert len(arrived(line, DATAGRAMS, size_bytes=1000)) == DATAGRAMS


def test_outages_come_and_go_by_themselves(line: HostsLine) -> None:
    client, server = connected(line)
    with client, server:
        line.shape(LinkQuality(outages=Outages(every_s=1.0, length_s=0.6)))
        server.settimeout(0.2)
        gaps = 0
        seen = False

        def beat() -> bool:
            nonlocal gaps, seen
            client.send(b".")
            try:
                server.recv(1000)
                seen = True
            except TimeoutError:
                gaps += seen
                seen = False
            return gaps >= 2

        eventually(beat, timeout_s=60)


def test_a_door_leads_to_the_server_beside_the_line(line: HostsLine) -> None:
    line.blackhole()
    host, _, port = line.routes["ingestion"].beside.rpartition(":")
    with line.server_host.inside():
        listener = socket.create_server((SERVER_ADDRESS, PORT))
    with listener, socket.create_connection((host, int(port)), timeout=30) as visitor:
        answering, _ = listener.accept()
        with answering:
            answering.sendall(b"hello")
            assert visitor.recv(5) == b"hello"


def test_what_was_lost_is_repeated_by_the_seed(need: Need) -> None:
    def fates() -> set[int]:
        line = new_line("tun", ["ingestion"], need)
        assert isinstance(line, TunLine)
        with line:
            line.shape(LinkQuality(loss_share=0.5, delay_s=0.05, jitter_s=0.02))
            return arrived(line, 50)

    assert fates() == fates()


def test_the_kernel_is_not_asked_for_what_it_cannot_do(need: Need) -> None:
    line = new_line("veth", ["ingestion"], need)
    assert isinstance(line, VethLine)
    with line, pytest.raises(UnsupportedQualityError, match="delay_s"):
        line.shape(LinkQuality(delay_s=0.1))


def own_namespaces() -> set[str]:
    return {path.name for path in Path("/run/netns").iterdir()}


def test_nothing_is_left_in_the_end(line: HostsLine) -> None:
    names = {host.name for host in line.hosts}
    assert names <= own_namespaces()
    held = subprocess.Popen([*line.device_prefix, "sleep", "600"])
    eventually(lambda: str(held.pid) in namespaces.run("ip", "netns", "pids", line.device_host.name).split())
    line.__exit__(None, None, None)
    assert not names & own_namespaces()
    assert held.wait(timeout=30) == -signal.SIGKILL
    line.__enter__()  # for the fixture


_KILLED = """
import os, signal, subprocess
from rig import namespaces
from rig.tun import TunLine
line = TunLine(["ingestion"], seed=1).__enter__()
held = subprocess.Popen([*line.device_prefix, "sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while str(held.pid) not in namespaces.run("ip", "netns", "pids", line.device_host.name).split():
    pass
print(held.pid, *(host.name for host in line.hosts), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_swept(need: Need) -> None:
    need("network namespaces", not namespaces.lacking(), namespaces.lacking())
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED], capture_output=True, text=True, timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    pid, *names = killed.stdout.split()
    # Another run on this machine may sweep it first.
    namespaces.sweep_leftovers()
    assert not set(names) & own_namespaces()
    eventually(lambda: not Path(f"/proc/{pid}").exists())

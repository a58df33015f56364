"""The broken link breaks as told and forwards everything else unharmed."""

import socket
import threading
from collections.abc import Iterator

import pytest

from rig.link import FaultyLink, LinkFaults
from tests.support.waiting import eventually


@pytest.fixture
def echo_address() -> Iterator[str]:
    """A TCP server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def echo(connection: socket.socket) -> None:
        with connection:
            try:
                while piece := connection.recv(65536):
                    connection.sendall(piece)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def read(connection: socket.socket, size_bytes: int) -> bytes:
    data = b""
    while len(data) < size_bytes and (piece := connection.recv(65536)):
        data += piece
    return data


def test_forwards_both_ways_unchanged(echo_address: str) -> None:
    with FaultyLink(echo_address, LinkFaults(), seed=1) as link, connect(link.address) as connection:
        message = bytes(range(256)) * 500
        connection.sendall(message)
        assert read(connection, len(message)) == message
        eventually(lambda: link.counts.up_bytes == len(message))  # counted once sent, maybe after the echo


def test_cuts_after_its_budget_and_counts_the_cut(echo_address: str) -> None:
    faults = LinkFaults(cut_after_bytes=(1000, 2000))
    with FaultyLink(echo_address, faults, seed=1) as link, connect(link.address) as connection:
        with pytest.raises(OSError):
            for _ in range(10_000):
                connection.sendall(b"x" * 100)
                if not connection.recv(100):
                    raise ConnectionError("closed")
        eventually(lambda: link.counts.cut_count == 1)


def test_cut_breaks_what_is_open(echo_address: str) -> None:
    with FaultyLink(echo_address, LinkFaults(), seed=1) as link, connect(link.address) as connection:
        connection.sendall(b"hello")
        assert read(connection, 5) == b"hello"
        assert link.cut() == 1
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_refuses_and_heals(echo_address: str) -> None:
    with FaultyLink(echo_address, LinkFaults(), seed=1) as link:
        link.refuse()
        with pytest.raises(OSError), connect(link.address) as connection:
            connection.sendall(b"hello")
            if not connection.recv(5):
                raise ConnectionError("closed")
        link.heal()
        with connect(link.address) as connection:
            connection.sendall(b"hello")
            assert read(connection, 5) == b"hello"


def test_stall_moves_nothing_until_healed(echo_address: str) -> None:
    with FaultyLink(echo_address, LinkFaults(), seed=1) as link, connect(link.address) as connection:
        link.stall()
        connection.sendall(b"hello")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(5)
        link.heal()
        connection.settimeout(10)
        assert read(connection, 5) == b"hello"

"""The real server as processes, started as an operator starts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from demo.server import Server
from tests.e2e.world import World, build_world


class StartServer(Protocol):
    def __call__(self, *, separate: bool = False) -> Server: ...


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Starts `tinysphere serve` on free ports with a data folder of its own; all are ended after the module."""
    with ExitStack() as stack:

        def start(*, separate: bool = False) -> Server:
            server = Server(tmp_path_factory.mktemp("server"), separate=separate)
            stack.callback(server.stop)
            server.start()
            return server

        yield start


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    """`tinysphere serve all`: one process."""
    return start_server()


@pytest.fixture(scope="module")
def separate_server(start_server: StartServer) -> Server:
    """`tinysphere serve ingestion`, `... drift` and `... distribution`: three processes."""
    return start_server(separate=True)


@pytest.fixture(scope="module")
def world(server: Server) -> World:
    """The one process, holding something of everything a bad request could harm."""
    return build_world(server)

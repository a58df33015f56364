"""A real server for simulated devices."""

from collections.abc import Iterator

import pytest

from demo.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server process with all services; each test takes devices of its own by another seed."""
    running = Server(tmp_path_factory.mktemp("simulated"), separate=False)
    running.start()
    yield running
    running.stop()

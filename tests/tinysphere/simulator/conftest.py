"""A real server for simulated devices."""

from collections.abc import Iterator

import pytest

from demo.server import Server
from tests.tinysphere.distribution.builders import KEY, public_pem


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server process with all services; each test takes devices of its own by another seed."""
    folder = tmp_path_factory.mktemp("simulated")
    trusted_key = folder / "release.pem"
    trusted_key.write_bytes(public_pem(KEY))
    running = Server(folder, separate=False, trusted_key=trusted_key)
    running.start()
    yield running
    running.stop()

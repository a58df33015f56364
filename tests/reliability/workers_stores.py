"""Databases that can be taken away for a moment while everybody works."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

from tests.support import postgresql


class Store(Protocol):
    """A database by URL; None for a restart that it does not know."""

    url: str

    def restart(self) -> bool:
        """End the database and start it again; False where there is no server to restart."""


class SqliteFile:
    """A file; nothing to restart."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/tinysphere.db"

    def restart(self) -> bool:
        """See `Store.restart`."""
        return False


class Postgres:
    """A server of its own, whose connections end with every restart."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._identity = postgresql.unprivileged_identity(folder)
        postgresql.initialise(programs, folder / "data", self._identity)
        self._process, self._port = postgresql.start(programs, folder, self._identity)
        server = postgresql.PostgresServer(port=self._port, names=count(1))
        self.url = server.create_database()

    def restart(self) -> bool:
        """See `Store.restart`."""
        self.stop()
        self._process, _ = postgresql.start(self._programs, self._folder, self._identity, self._port)
        return True

    def stop(self) -> None:
        """End it."""
        postgresql.stop(self._process)


@contextmanager
def opened(engine: str, folder: Path) -> Iterator[Store]:
    """The database for "sqlite", "postgresql" or "procrastinate".

    Raises:
        RuntimeError: PostgreSQL is not installed.
    """
    if engine == "sqlite":
        yield SqliteFile(folder)
        return
    programs = postgresql.binaries()
    if programs is None:
        raise RuntimeError("PostgreSQL is missing: apt-get install postgresql")
    place = Path(tempfile.mkdtemp(prefix="tinymlops-workers-"))
    try:
        store = Postgres(programs, place)
        try:
            yield store
        finally:
            store.stop()
    finally:
        shutil.rmtree(place)

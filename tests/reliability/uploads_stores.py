"""Where a server under test keeps things: SQLite and files, or PostgreSQL and S3; and a look behind its back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from tests.support import postgresql, seaweedfs

SQLITE, POSTGRESQL = "sqlite", "postgresql"
STORES = (SQLITE, POSTGRESQL)
_READ_BYTES = 1 << 20
_SMALL = sa.text(
    "SELECT content FROM package_contents JOIN packages USING (package_id) WHERE sha256 = :sha256 LIMIT 1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Settings that make a server use these stores, and how to read what it stored without it.

    Attributes:
        digest: Size and SHA-256 of the bytes stored under a digest; None when there are none.
    """

    digest: Callable[[str], tuple[int, str] | None]
    settings: dict[str, object] = field(default_factory=dict)


@contextmanager
def open_stores(name: str, data_dir: Path) -> Iterator[Stores]:
    """Starts what the stores need.

    Raises:
        RuntimeError: PostgreSQL or SeaweedFS is not installed.
    """
    if name == SQLITE:
        small = _SmallPackages(f"sqlite:///{data_dir}/tinysphere.db")
        yield Stores(
            digest=lambda sha256: (
                _file_digest(data_dir / "blobs" / sha256[:2] / sha256) or small.digest(sha256)
            )
        )
        return
    programs, weed = postgresql.binaries(), seaweedfs.program()
    if programs is None or weed is None:
        raise RuntimeError("PostgreSQL and SeaweedFS are needed: apt-get install postgresql, make setup")
    with ExitStack() as stack:
        database = stack.enter_context(postgresql.running_server(programs))
        s3 = stack.enter_context(seaweedfs.running_server(weed))
        yield stores_on(database, s3)


def stores_on(database: postgresql.PostgresServer, s3: seaweedfs.S3Server) -> Stores:
    """A new database and a new place in the object store."""
    bucket, prefix = s3.new_place().split("/")
    client, database_url = s3.client(), database.create_database()
    small = _SmallPackages(database_url)

    def digest(sha256: str) -> tuple[int, str] | None:
        name = f"{prefix}/{sha256[:2]}/{sha256}"
        found = {one.object_name for one in client.list_objects(bucket, prefix=name)}
        if name not in found:
            return small.digest(sha256)
        response = client.get_object(bucket, name)
        try:
            return _digest_of(response.stream(_READ_BYTES))
        finally:
            response.close()
            response.release_conn()

    settings = {"database_url": database_url, **s3.settings(f"{bucket}/{prefix}")}
    return Stores(digest=digest, settings=settings)


class _SmallPackages:
    """Packages so small that the server keeps their bytes in its database."""

    def __init__(self, database_url: str) -> None:
        self._engine = sa.create_engine(database_url, poolclass=sa.NullPool)

    def digest(self, sha256: str) -> tuple[int, str] | None:
        with self._engine.connect() as connection:
            content = connection.scalar(_SMALL, {"sha256": sha256})
        return None if content is None else _digest_of(iter([bytes(content)]))


def _file_digest(path: Path) -> tuple[int, str] | None:
    if not path.exists():
        return None
    with path.open("rb") as file:
        return _digest_of(iter(lambda: file.read(_READ_BYTES), b""))


def _digest_of(chunks: Iterator[bytes]) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    for chunk in chunks:
        size += len(chunk)
        digest.update(chunk)
    return size, digest.hexdigest()

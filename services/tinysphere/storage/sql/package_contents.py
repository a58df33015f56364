"""Bytes of small packages, stored by the very transaction that takes the package: one sync makes both durable."""

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from tinysphere.storage.digests import require_offset, stored
from tinysphere.storage.ports.blobs import BlobReader
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_ingestion import packages
from tinysphere.storage.sql.tables_package_contents import package_contents
from tinysphere.storage.sql.upsert import insert_free

_CONTENT = (
    sa.select(package_contents.c.content)
    .join(packages, packages.c.package_id == package_contents.c.package_id)
    .where(packages.c.sha256 == sa.bindparam("this_sha256"))
    .limit(1)
)


def insert_contents(connection: sa.Connection, contents: Mapping[str, bytes]) -> None:
    """Keep the bytes of packages by id; their digests were checked, their rows are there."""
    rows = [{"package_id": key, "content": content} for key, content in sorted(contents.items())]
    insert_free(connection, package_contents, rows)


class PackageContents:
    """Reads packages by their digest: from the database, and what is not there from the blob store."""

    def __init__(self, database: Database, blobs: BlobReader) -> None:
        self._database = database
        self._blobs = blobs

    def open(self, sha256: str, offset: int = 0) -> Iterator[bytes]:
        """See `BlobReader.open`."""
        with self._database.reading() as connection:
            content = connection.scalar(_CONTENT, {"this_sha256": sha256})
        if content is None:
            return self._blobs.open(sha256, offset)
        require_offset(sha256, offset, len(content))
        rest = iter([bytes(content)[offset:]])
        return rest if offset else stored(rest, sha256=sha256, size_bytes=len(content))

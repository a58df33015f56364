"""The distribution service over each database, with a real registry, called through real gRPC."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tinysphere.storage.sql.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/distribution.db"
    else:
        url = request.getfixturevalue("postgres_server").create_database()
    database = Database(url)
    database.migrate()
    yield database
    database.dispose()

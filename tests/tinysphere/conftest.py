"""Databases of each kind, as the services use them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tinysphere.storage.sql.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/tinysphere.db"
    url: str = request.getfixturevalue("postgres_server").create_database()
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database of each kind."""
    database = Database(database_url)
    database.migrate()
    yield database
    database.dispose()

"""Databases of each kind, as the services use them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.postgresql import PostgresServer
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


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy: migrating for every test would take most of the time."""
    path = tmp_path_factory.mktemp("migrated") / "tinysphere.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres_url(postgres_server: PostgresServer) -> str:
    """One database for many tests; each leaves it empty."""
    url = postgres_server.create_database()
    _migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of each kind, for tests that leave the schema as it is: far faster than `database`."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "tinysphere.db")
        yield f"sqlite:///{tmp_path}/tinysphere.db"
        return
    url: str = request.getfixturevalue("migrated_postgres_url")
    yield url
    _empty(url)


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.dispose()


def _empty(url: str) -> None:
    database = Database(url)
    with database.transaction() as connection:
        tables = set(sa.inspect(connection).get_table_names()) - {"tinysphere_schema_version"}
        connection.execute(sa.text(f"TRUNCATE {', '.join(sorted(tables))} RESTART IDENTITY"))
    database.dispose()

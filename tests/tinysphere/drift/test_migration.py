"""The migrated schema is the one that the code is written against."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.tinysphere.drift.conftest import TABLES
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.metadata import metadata
from tinysphere.storage.sql.tables_drift import drift_events


def test_migrations_make_the_tables_of_the_code(database: Database) -> None:
    assert set(TABLES) <= set(metadata.tables)
    assert drift_events.metadata is metadata
    with database.reading() as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_object": lambda _item, name, kind, *_: kind != "table" or name in TABLES,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []

"""The migrated schema is the one that the code is written against."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.tinysphere.drift.conftest import TABLES
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables import all_tables


def test_migrations_make_the_tables_of_the_code(database: Database) -> None:
    metadata = all_tables()
    assert set(TABLES) <= set(metadata.tables)
    with database.reading() as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_object": lambda _item, name, kind, *_: kind != "table" or name in TABLES,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []

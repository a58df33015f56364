"""The migrated schema is the one the code is written against, and every migration can be taken back."""

import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import tinysphere.storage.sql
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.metadata import metadata

FOLDER = Path(tinysphere.storage.sql.__file__).parent


def all_tables() -> sa.MetaData:
    for module in pkgutil.iter_modules([str(FOLDER)]):
        if module.name.startswith("tables_"):
            importlib.import_module(f"tinysphere.storage.sql.{module.name}")
    return metadata


def shape_of(connection: sa.Connection) -> dict[str, Any]:
    """Everything the database says of its tables, but Alembic's own."""
    inspector = sa.inspect(connection)
    return {
        table: {
            "columns": by_name(
                column | {"type": str(column["type"])} for column in inspector.get_columns(table)
            ),
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": by_name(inspector.get_foreign_keys(table)),
            "unique": by_name(inspector.get_unique_constraints(table)),
            "checks": by_name(inspector.get_check_constraints(table)),
            "indexes": by_name(inspector.get_indexes(table)),
        }
        for table in inspector.get_table_names()
        if table != "tinysphere_schema_version"
    }


def by_name(constraints: Iterable[Any]) -> list[Any]:
    return sorted(constraints, key=lambda constraint: str(constraint["name"]))


def test_a_migrated_schema_equals_a_fresh_one(database: Database) -> None:
    with database.transaction() as connection:
        migrated = shape_of(connection)
        connection.execute(sa.text("DROP TABLE tinysphere_schema_version"))
        reflected = sa.MetaData()
        reflected.reflect(connection)
        reflected.drop_all(connection)
        all_tables().create_all(connection)
        fresh = shape_of(connection)
    assert set(migrated) == set(fresh)
    for table, shape in fresh.items():
        assert migrated[table] == shape, table


def test_migrations_go_down_and_up_again(database: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER / "migrations"))
    config.set_main_option("path_separator", "os")
    with database.transaction() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(sa.inspect(connection).get_table_names()) == {"tinysphere_schema_version"}
    database.migrate()
    with database.reading() as connection:
        assert set(sa.inspect(connection).get_table_names()) == {
            *all_tables().tables,
            "tinysphere_schema_version",
        }

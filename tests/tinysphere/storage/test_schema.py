"""The migrated schema is the one the code is written against, and every migration can be taken back."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import tinysphere.storage.sql
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables import all_tables

FOLDER = Path(tinysphere.storage.sql.__file__).parent
# What a database makes by itself of one of our tables: partitions, and the parts of a full-text index.
PARTS = ("metric_points_", "metric_minutes_", "log_search")


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
            "indexes": by_name(map(with_words, inspector.get_indexes(table))),
        }
        for table in table_names(connection)
        if table != "tinysphere_schema_version"
    }


def table_names(connection: sa.Connection) -> set[str]:
    return {name for name in sa.inspect(connection).get_table_names() if not name.startswith(PARTS)}


def by_name(constraints: Iterable[Any]) -> list[Any]:
    return sorted(constraints, key=lambda constraint: str(constraint["name"]))


def with_words(index: Any) -> Any:
    """The condition of a partial index is an object, equal to itself only."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def test_a_migrated_schema_equals_a_fresh_one(database: Database) -> None:
    with database.transaction() as connection:
        migrated = shape_of(connection)
        connection.execute(sa.text("DROP TABLE tinysphere_schema_version"))
        reflected = sa.MetaData()
        reflected.reflect(connection, only=lambda name, _: not name.startswith(PARTS))
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
        assert set(sa.inspect(connection).get_table_names()) == {
            "tinysphere_schema_version"
        }  # no part is left
    database.migrate()
    with database.reading() as connection:
        assert table_names(connection) == {
            *all_tables().tables,
            "tinysphere_schema_version",
        }

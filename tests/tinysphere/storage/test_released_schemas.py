"""Every schema that was ever released opens: a database made by it, with a row in each table, is brought up to date."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql

import tinysphere.storage.sql
from tests.tinysphere.storage.test_schema import table_names
from tinysphere.domain.drift import DriftEventState, SampleState
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.drift import SqlDriftStore
from tinysphere.storage.sql.models import SqlModelStore
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.tables import all_tables
from tinysphere.storage.sql.uploads import SqlUploadStore

VERSION_TABLE = "tinysphere_schema_version"
MOMENT = datetime(2026, 11, 22, 9, 0, 0, 250_000, tzinfo=UTC)
WORDS = {  # where any text will not do
    "format": "TAR_ZSTD",
    "kind": "METRICS",
    "type": "KNN_DISTANCE",
    "level": "INFO",
    "mode": "VALIDATED_LEARNING",
    "severity": "HIGH",
    "cause": "NOVELTY",
    "image_format": "PNG",
    "judged_decision": "CONFIRMED_LABEL",
}
STATES = {
    "packages": "PROCESSED",
    "package_steps": "SUCCEEDED",
    "uploads": "FINISHED",
    "drift_events": DriftEventState.OPEN.value,
    "samples": SampleState.JUDGED.value,
}


def config_for(connection: sa.Connection) -> Config:
    config = Config()
    folder = Path(tinysphere.storage.sql.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def revisions() -> list[str]:
    folder = Path(tinysphere.storage.sql.__file__).parent / "migrations"
    return [script.revision for script in reversed(list(ScriptDirectory(str(folder)).walk_revisions()))]


def value_of(table: sa.Table, column: sa.Column[Any]) -> object:
    if column.name == "state":
        return STATES.get(table.name, "x")
    if column.name in WORDS and isinstance(column.type, sa.String):
        return WORDS[column.name]
    if isinstance(column.type, sa.JSON):
        return {}
    if isinstance(column.type, sa.DateTime):
        return MOMENT if column.type.timezone else MOMENT.replace(tzinfo=None)
    if isinstance(column.type, postgresql.TSVECTOR):
        return "word"
    made: dict[type, object] = {str: "x", int: 1, float: 1.0, bool: False, bytes: b"x"}
    return made[column.type.python_type]


def fill(connection: sa.Connection) -> dict[str, dict[str, object]]:
    """One row in each table as it is now; values by table and column."""
    metadata = sa.MetaData()
    metadata.reflect(connection, only=sorted(table_names(connection) - {VERSION_TABLE}))
    rows = {
        table.name: {column.name: value_of(table, column) for column in table.c if not column.computed}
        for table in metadata.sorted_tables
    }
    for table in metadata.sorted_tables:
        connection.execute(sa.insert(table).values(**rows[table.name]))
    return rows


@pytest.mark.parametrize("revision", revisions())
def test_a_filled_database_of_every_release_opens(revision: str, database_url: str) -> None:
    database = Database(database_url)
    with database.transaction() as connection:
        command.upgrade(config_for(connection), revision)
        rows = fill(connection)
    database.migrate()
    tables = all_tables().tables
    with database.reading() as connection:
        for name, row in rows.items():
            found = connection.execute(sa.select(tables[name])).one()._mapping
            same = {
                column: value
                for column, value in row.items()
                if column in found and isinstance(value, str | bytes | bool | float)
            }
            if name not in ("log_records", "metric_points"):  # these were moved, and their levels numbered
                assert {column: found[column] for column in same} == same, name
    _stores_read(database, rows)
    database.dispose()


def _stores_read(database: Database, rows: dict[str, dict[str, object]]) -> None:
    """Each service finds what it wrote then."""
    device, package = SqlDeviceStore(database).get("x"), SqlPackageStore(database).get("x")
    assert device is not None
    assert device.register_time == MOMENT
    assert package is not None
    assert (package.state.value, package.process_time) == ("PROCESSED", MOMENT)
    assert [step.kind.value for step in package.steps] == ["METRICS"]
    upload = SqlUploadStore(database).get("x")
    assert upload is not None
    assert upload.expire_time == MOMENT
    if "drift_events" in rows:
        assert SqlDriftStore(database).get_sample("x").capture_time == MOMENT
    if "published_model_versions" in rows:
        version = SqlModelStore(database).find_version("x", 1)
        assert version is not None
        assert version.publish_time == MOMENT


def test_a_filled_database_can_be_taken_back_step_by_step(database: Database) -> None:
    with database.transaction() as connection:
        fill(connection)
        for revision in [*reversed(revisions()[:-1]), "base"]:
            command.downgrade(config_for(connection), revision)
        assert set(sa.inspect(connection).get_table_names()) == {VERSION_TABLE}
    database.migrate()

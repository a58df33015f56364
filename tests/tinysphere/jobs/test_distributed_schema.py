"""Procrastinate's tables: made once, changed by its own files, apart from ours."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from procrastinate.schema import SchemaManager

from tests.support.postgresql import PostgresServer
from tinysphere.jobs import distributed_schema

COLUMNS = """
    SELECT table_name, column_name, data_type, column_default, is_nullable FROM information_schema.columns
    WHERE table_schema = %s AND table_name LIKE 'procrastinate%%' ORDER BY 1, 2
"""
FUNCTIONS = """
    SELECT routine_name FROM information_schema.routines WHERE routine_schema = %s ORDER BY 1
"""


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.create_database().replace("+psycopg2", "")


def shape_of(url: str) -> list[list[tuple[object, ...]]]:
    with psycopg.connect(url) as connection:
        return [
            connection.execute(query, [distributed_schema.SCHEMA]).fetchall()
            for query in (COLUMNS, FUNCTIONS)
        ]


def test_several_processes_may_migrate_at_once_and_again(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(distributed_schema.migrate, [url] * 4))
    distributed_schema.migrate(url)
    with psycopg.connect(url) as connection:
        ours = connection.execute(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchone()
    assert ours == (0,)


def test_an_older_schema_is_brought_to_the_newest(url: str, postgres_server: PostgresServer) -> None:
    files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    old = [file for file in files if file.name < "03.02"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {distributed_schema.SCHEMA}")
        connection.execute(f"SET search_path TO {distributed_schema.SCHEMA}")
        connection.execute("CREATE TABLE applied_migrations (name text PRIMARY KEY)")
        for file in old:
            connection.execute(file.read_text())
            connection.execute("INSERT INTO applied_migrations VALUES (%s)", [file.name])
    distributed_schema.migrate(url)
    fresh = postgres_server.create_database().replace("+psycopg2", "")
    distributed_schema.migrate(fresh)
    assert shape_of(url) == shape_of(fresh)

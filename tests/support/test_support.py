"""The real parts that other tests lean on are real, and a missing one is noticed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.conftest import REQUIRE_ALL, Need
from tests.support.postgresql import PostgresServer


def test_postgres_is_postgres_and_durable(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        assert connection.execute(text("SHOW fsync")).scalar_one() == "on"
        assert str(connection.execute(text("SELECT version()")).scalar_one()).startswith("PostgreSQL")
    engine.dispose()


def test_each_database_starts_empty(postgres_server: PostgresServer) -> None:
    first, second = postgres_server.create_database(), postgres_server.create_database()
    engines = [create_engine(first), create_engine(second)]
    with engines[0].begin() as connection:
        connection.execute(text("CREATE TABLE samples (id integer)"))
    with engines[1].begin() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
    for engine in engines:
        engine.dispose()
    assert tables == []


def test_grpcurl_runs(grpcurl: Path) -> None:
    finished = subprocess.run([grpcurl, "--version"], capture_output=True, text=True, check=True, timeout=30)
    assert finished.stderr.startswith("grpcurl v")


def test_a_missing_part_is_a_skip_with_its_reason(need: Need, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRE_ALL, raising=False)
    with pytest.raises(pytest.skip.Exception, match="chromium is missing: apt-get install chromium"):
        need("chromium", False, "apt-get install chromium")


def test_a_missing_part_fails_where_all_is_required(need: Need, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRE_ALL, "1")
    with pytest.raises(pytest.fail.Exception, match="chromium is missing"):
        need("chromium", False, "apt-get install chromium")


def test_a_part_that_is_there_is_no_obstacle(need: Need) -> None:
    need("python", True, "never asked for")

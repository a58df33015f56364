"""Transactions, moments and migrations on each database."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.postgresql import PostgresServer, free_port
from tinysphere.errors import ExhaustedError, UnavailableError
from tinysphere.storage.sql.database import Database, normalised
from tinysphere.storage.sql.metadata import UtcDateTime

NOTES = sa.Table(
    "notes", sa.MetaData(), sa.Column("number", sa.Integer, primary_key=True), sa.Column("time", UtcDateTime)
)
NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def notes(database: Database) -> Database:
    """A database with a table of its own."""
    with database.transaction() as connection:
        NOTES.create(connection)
    return database


def numbers(database: Database) -> list[int]:
    with database.reading() as connection:
        return list(connection.scalars(sa.select(NOTES.c.number).order_by(NOTES.c.number)))


def test_a_transaction_is_kept_as_a_whole_or_not_at_all(notes: Database) -> None:
    with notes.transaction() as connection:
        connection.execute(sa.insert(NOTES), [{"number": 1}, {"number": 2}])
    with pytest.raises(ZeroDivisionError), notes.transaction() as connection:
        connection.execute(sa.insert(NOTES), [{"number": 3}])
        raise ZeroDivisionError
    assert numbers(notes) == [1, 2]


def test_writers_follow_each_other_and_none_is_lost(notes: Database) -> None:
    with notes.transaction() as connection:
        connection.execute(sa.insert(NOTES), [{"number": 0}])

    def add_one(_: int) -> None:
        with notes.transaction() as connection:
            known = connection.execute(sa.select(NOTES.c.number).with_for_update()).scalar_one()
            connection.execute(sa.update(NOTES).values(number=known + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(80)))
    assert numbers(notes) == [80]


def test_a_reader_neither_waits_for_a_writer_nor_sees_half_of_it(notes: Database) -> None:
    with notes.transaction() as connection:
        connection.execute(sa.insert(NOTES), [{"number": 1}])
        assert numbers(notes) == []
    assert numbers(notes) == [1]


def test_moments_come_back_aware_and_exact(notes: Database) -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    with notes.transaction() as connection:
        connection.execute(sa.insert(NOTES), [{"number": 1, "time": NOON}, {"number": 2, "time": elsewhere}])
        connection.execute(sa.insert(NOTES), [{"number": 3, "time": None}])
        found = connection.scalars(sa.select(NOTES.c.time).order_by(NOTES.c.number)).all()
        same = connection.scalars(sa.select(NOTES.c.number).where(NOTES.c.time == NOON)).all()
    assert found == [NOON, NOON, None]
    assert [moment and moment.utcoffset() for moment in found] == [timedelta(0), timedelta(0), None]
    assert sorted(same) == [1, 2]


def test_the_last_moment_comes_back_wherever_the_database_believes_to_be(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.create_database()
    elsewhere = Database(url)
    with elsewhere.transaction() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {url.rpartition('/')[2]} SET timezone TO 'Asia/Tokyo'"))
        NOTES.create(connection)
    elsewhere.dispose()
    last = datetime.max.replace(tzinfo=UTC)
    with elsewhere.transaction() as connection:
        connection.execute(sa.insert(NOTES), [{"number": 1, "time": last}])
    with elsewhere.reading() as connection:
        assert connection.scalar(sa.select(NOTES.c.time)) == last
    elsewhere.dispose()


def test_naive_moments_are_refused(notes: Database) -> None:
    with pytest.raises(sa.exc.StatementError, match="aware"), notes.transaction() as connection:
        connection.execute(sa.insert(NOTES), [{"number": 1, "time": NOON.replace(tzinfo=None)}])


def test_processes_may_migrate_at_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(Database.migrate, databases))
    for database in databases:
        database.migrate()
        with database.reading() as connection:
            assert connection.execute(sa.text("SELECT count(*) FROM devices")).scalar_one() == 0
        database.dispose()


def test_postgresql_urls_name_our_driver() -> None:
    for url in ("postgresql://host/name", "postgres://host/name", "postgresql+psycopg2://host/name"):
        assert normalised(url).drivername == "postgresql+psycopg2"


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="mysql"):
        Database("mysql://host/name")


def test_passwords_are_not_shown() -> None:
    database = Database("postgresql://someone:secret@host/name")
    assert "secret" not in database.shown_url
    database.dispose()


@pytest.fixture
def away() -> Iterator[Database]:
    database = Database(f"postgresql://postgres@127.0.0.1:{free_port()}/nothing")
    yield database
    database.dispose()


def test_a_database_that_is_away_is_worth_waiting_for(away: Database) -> None:
    with pytest.raises(UnavailableError) as caught, away.transaction():
        pass
    assert caught.value.reason == "DATABASE_UNAVAILABLE"
    assert caught.value.retry_after_s


def test_a_busy_sqlite_is_worth_waiting_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinysphere.storage.sql.database.BUSY_TIMEOUT_S", 0)
    database = Database(f"sqlite:///{tmp_path}/busy.db")
    database.migrate()
    other = sqlite3.connect(tmp_path / "busy.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError) as caught, database.transaction():
        pass
    assert caught.value.reason == "DATABASE_UNAVAILABLE"
    other.close()
    with database.transaction() as connection:  # and it recovers by itself
        connection.execute(sa.text("DELETE FROM devices"))
    database.dispose()


def test_a_full_sqlite_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/full.db")
    with database.transaction() as connection:
        NOTES.create(connection)
        connection.execute(sa.insert(NOTES), [{"number": 0}])
    with pytest.raises(ExhaustedError) as caught, database.transaction() as connection:
        pages = connection.execute(sa.text("PRAGMA page_count")).scalar_one()
        connection.execute(sa.text(f"PRAGMA max_page_count={pages}"))
        connection.execute(sa.insert(NOTES), [{"number": number} for number in range(1, 10_000)])
    assert caught.value.reason == "DATABASE_FULL"
    assert numbers(database) == [0]
    database.dispose()


def test_our_own_mistakes_are_not_blamed_on_the_database(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError), database.transaction() as connection:
        connection.execute(sa.text("SELECT * FROM no_such_table"))


def test_the_disk_is_waited_for_unless_told_otherwise(notes: Database) -> None:
    question = "PRAGMA synchronous" if notes.is_sqlite else "SHOW synchronous_commit"
    waits, does_not_wait = (2, 1) if notes.is_sqlite else ("on", "off")
    for durable, expected in [(True, waits), (False, does_not_wait), (True, waits)]:
        with notes.transaction(durable=durable) as connection:
            assert connection.execute(sa.text(question)).scalar_one() == expected
            connection.execute(sa.insert(NOTES), [{"number": len(numbers(notes))}])
    assert numbers(notes) == [0, 1, 2]


def test_sqlalchemys_orm_is_loaded_before_any_thread_begins() -> None:
    """Loaded later, by MLflow in its thread, it breaks queries of other threads that run meanwhile."""
    code = "import sys, tinysphere.storage.sql.database; sys.exit('sqlalchemy.orm' not in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0

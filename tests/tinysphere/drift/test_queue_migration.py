"""A server that is brought up to date finds its open samples in the queue and its feedback counted."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import tinysphere.storage.sql
from tests.tinysphere.drift.agreeing import assert_backlogs_agree, assert_queue_agrees
from tests.tinysphere.drift.builders import (
    answered,
    applied,
    event_message,
    sample_message,
    uuid,
    verdict_message,
)
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.test_queue import lease
from tests.tinysphere.drift.test_reports import report_events, report_samples
from tests.tinysphere.drift.test_reviews import acknowledge, fetch, resolve, submit
from tinymlops.v1 import drift_pb2, feedback_pb2
from tinysphere.storage.sql.backlogs import SqlBacklogStore
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_queue import queue_entries


def go(database: Database, revision: str, *, up: bool) -> None:
    config = Config()
    config.set_main_option(
        "script_location", str(Path(tinysphere.storage.sql.__file__).parent / "migrations")
    )
    config.set_main_option("path_separator", "os")
    with database.transaction() as connection:
        config.attributes["connection"] = connection
        (command.upgrade if up else command.downgrade)(config, revision)


def test_what_is_there_is_queued_and_counted(called: Called, database: Database) -> None:
    report_events(called, event_message(1, severity=drift_pb2.SEVERITY_CRITICAL), event_message(2))
    for number, event in ((1, 1), (2, 1), (3, 1), (4, 2), (5, 2)):
        report_samples(called, sample_message(number, drift_event_id=uuid(event)))
    report_samples(called, sample_message(6, drift_event_id="", confidence=0.1), sample_message(7))
    submit(called, verdict_message(1), verdict_message(2), verdict_message(3), verdict_message(4))
    first, second, third, _ = fetch(called)
    acknowledge(called, applied(first.feedback_id))
    acknowledge(called, answered(second.feedback_id, feedback_pb2.FEEDBACK_OUTCOME_REJECTED, "no room"))
    acknowledge(called, answered(third.feedback_id, feedback_pb2.FEEDBACK_OUTCOME_DEFERRED, "too few"))
    resolve(called, 2)
    with database.reading() as connection:
        entries = set(connection.scalars(sa.select(queue_entries.c.sample_id)))
    before = SqlBacklogStore(database).page(after=None, limit=9)
    go(database, "0012_review", up=False)
    go(database, "heads", up=True)
    assert_queue_agrees(database)
    assert_backlogs_agree(database)
    with database.reading() as connection:
        assert set(connection.scalars(sa.select(queue_entries.c.sample_id))) == entries
    (after,) = SqlBacklogStore(database).page(after=None, limit=9)
    assert after == before[0]
    assert after.recent_outcomes == "AR"
    assert lease(called) == [7, 6]

"""Whether what is counted as it happens agrees with what it counts."""

from collections import Counter

import sqlalchemy as sa

from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_backlogs import feedback_backlogs
from tinysphere.storage.sql.tables_drift import drift_events, feedback_items, samples
from tinysphere.storage.sql.tables_queue import queue_entries, queue_sizes

OUTCOMES = ("APPLIED", "REJECTED", "DEFERRED")


def assert_queue_agrees(database: Database) -> None:
    """An entry for each open sample whose event is not resolved, and as many counted at its device."""
    with database.reading() as connection:
        closed = set(
            connection.scalars(
                sa.select(drift_events.c.drift_event_id).where(drift_events.c.state == "RESOLVED")
            )
        )
        waiting = {
            row.sample_id: row.device_id
            for row in connection.execute(sa.select(samples).where(samples.c.state == "OPEN"))
            if row.drift_event_id not in closed
        }
        entries = connection.execute(sa.select(queue_entries)).all()
        sizes = {row.device_id: row.entry_count for row in connection.execute(sa.select(queue_sizes))}
    assert {row.sample_id: row.device_id for row in entries} == waiting
    assert {key: size for key, size in sizes.items() if size} == dict(Counter(waiting.values()))


def assert_backlogs_agree(database: Database) -> None:
    """Counts of each device are those of its items, and the oldest that waits is the oldest."""
    with database.reading() as connection:
        backlogs = connection.execute(sa.select(feedback_backlogs)).all()
        items = connection.execute(sa.select(feedback_items).order_by(feedback_items.c.sequence)).all()
    assert {backlog.device_id for backlog in backlogs} == {item.device_id for item in items}
    for backlog in backlogs:
        own = [item for item in items if item.device_id == backlog.device_id]
        waiting = [item for item in own if not item.done]
        counts = Counter(item.outcome for item in own)
        assert [backlog.applied_count, backlog.rejected_count, backlog.deferred_count] == [
            counts[outcome] for outcome in OUTCOMES
        ]
        assert backlog.waiting_count == len(waiting)
        assert backlog.oldest_waiting_time == (waiting[0].create_time if waiting else None)

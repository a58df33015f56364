"""Backlogs of feedback over SQLite and PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.backlogs import FeedbackBacklog
from tinysphere.domain.feedback import FeedbackOutcome
from tinysphere.storage.ports.backlogs import BacklogKey
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.row_parts import attributes
from tinysphere.storage.sql.tables_backlogs import feedback_backlogs as table
from tinysphere.storage.sql.tables_drift import feedback_items
from tinysphere.storage.sql.upsert import insert

# A device asks often, and what is told from its contacts is a matter of days: most are not worth a write.
CONTACT_STEP = timedelta(minutes=10)

_COLUMNS = tuple(field.name for field in fields(FeedbackBacklog))


class SqlBacklogSteps:
    """See `tinysphere.storage.ports.backlogs.BacklogSteps`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add_waiting(self, counts: Mapping[str, int], *, now: datetime) -> None:
        """See `BacklogSteps.add_waiting`."""
        rows = [
            attributes(
                FeedbackBacklog(device_id=key, waiting_count=counts[key], oldest_waiting_time=now), _COLUMNS
            )
            for key in sorted(counts)
        ]
        if not rows:
            return
        statement = insert(self._connection.dialect.name, table)
        new = statement.excluded
        nothing_waits = table.c.oldest_waiting_time.is_(None)
        more = {
            "waiting_count": table.c.waiting_count + new.waiting_count,
            "oldest_waiting_time": sa.func.coalesce(table.c.oldest_waiting_time, new.oldest_waiting_time),
            "oldest_deferred": sa.case((nothing_waits, sa.false()), else_=table.c.oldest_deferred),
        }
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["device_id"], set_=more), rows
        )

    def lock(self, device_id: str) -> FeedbackBacklog:
        """See `BacklogSteps.lock`."""
        query = sa.select(table).where(table.c.device_id == device_id).with_for_update()
        return _backlog_from(self._connection.execute(query).mappings().one())

    def put(self, backlog: FeedbackBacklog) -> None:
        """See `BacklogSteps.put`."""
        oldest = self._connection.execute(_oldest_waiting(backlog.device_id)).one_or_none()
        values = attributes(backlog, _COLUMNS) | {
            "oldest_waiting_time": oldest.create_time if oldest else None,
            "oldest_deferred": oldest is not None and oldest.outcome == FeedbackOutcome.DEFERRED.value,
        }
        change = sa.update(table).where(table.c.device_id == backlog.device_id)
        self._connection.execute(change.values(values))


class SqlBacklogStore:
    """See `tinysphere.storage.ports.backlogs.BacklogStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, *, after: BacklogKey | None, limit: int) -> Sequence[FeedbackBacklog]:
        """See `BacklogStore.page`."""
        with self._database.reading() as connection:
            rows: list[sa.RowMapping] = []
            if after is None or after[0] is not None:
                rows += connection.execute(waiting_page(after, limit=limit)).mappings()
                after = None
            if len(rows) < limit:
                rows += connection.execute(idle_page(after, limit=limit - len(rows))).mappings()
        return [_backlog_from(row) for row in rows]

    def note_contact(self, device_id: str, *, now: datetime) -> None:
        """See `BacklogStore.note_contact`."""
        of_device = table.c.device_id == device_id
        with self._database.reading() as connection:
            row = connection.execute(sa.select(table.c.contact_time).where(of_device)).one_or_none()
        if row is None or (row.contact_time is not None and now - row.contact_time < CONTACT_STEP):
            return
        with self._database.transaction(durable=False) as connection:
            connection.execute(sa.update(table).where(of_device).values(contact_time=now))


def waiting_page(after: BacklogKey | None, *, limit: int) -> sa.Select[Any]:
    """Devices with items that are not done."""
    key = (table.c.oldest_waiting_time, table.c.device_id)
    query = sa.select(table).where(table.c.oldest_waiting_time.is_not(None)).order_by(*key).limit(limit)
    if after is None:
        return query
    return query.where(sa.tuple_(*key) > sa.tuple_(*after, types=[column.type for column in key]))


def idle_page(after: BacklogKey | None, *, limit: int) -> sa.Select[Any]:
    """Devices that are done with all."""
    # PostgreSQL takes the index for sorted only when the empty column is part of the order.
    order = (table.c.oldest_waiting_time, table.c.device_id)
    query = sa.select(table).where(table.c.oldest_waiting_time.is_(None)).order_by(*order).limit(limit)
    return query if after is None else query.where(table.c.device_id > after[1])


def _oldest_waiting(device_id: str) -> sa.Select[Any]:
    items = feedback_items
    waiting = sa.select(items.c.create_time, items.c.outcome).where(items.c.device_id == device_id)
    return waiting.where(items.c.done == sa.false()).order_by(items.c.sequence).limit(1)


def _backlog_from(row: sa.RowMapping) -> FeedbackBacklog:
    return FeedbackBacklog(**{name: row[name] for name in _COLUMNS})

"""Scopes of drift events over SQLite and PostgreSQL."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.notifications import Notice
from tinysphere.domain.scopes import AlarmHistory, ScopeDecision, ScopedEvent
from tinysphere.storage.ports.scopes import AlarmSpan
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift_rows import event_from
from tinysphere.storage.sql.event_pages import EVENTS
from tinysphere.storage.sql.notices import SqlNoticeSteps
from tinysphere.storage.sql.tables_drift import drift_events
from tinysphere.storage.sql.tables_sample_groups import sample_group_events


class SqlScopeStore:
    """See `tinysphere.storage.ports.scopes.ScopeStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, *, now: datetime, limit: int) -> Sequence[ScopedEvent]:
        """See `ScopeStore.due`."""
        return self._read(scopes_due(now=now, limit=limit))

    def newest(self, span: AlarmSpan, *, limit: int) -> Sequence[ScopedEvent]:
        """See `ScopeStore.newest`."""
        return self._read(newest_alarms(span, limit=limit))

    def count_devices(self, span: AlarmSpan) -> int:
        """See `ScopeStore.count_devices`."""
        devices = sa.func.count(drift_events.c.device_id.distinct())
        with self._database.reading() as connection:
            count: int = connection.execute(sa.select(devices).where(*_within(span))).scalar_one()
        return count

    def history(self, span: AlarmSpan) -> AlarmHistory:
        """See `ScopeStore.history`."""
        count, first = sa.func.count(), sa.func.min(drift_events.c.detect_time)
        with self._database.reading() as connection:
            row = connection.execute(sa.select(count, first).where(*_within(span))).one()
        return AlarmHistory(alarm_count=row[0], first_time=row[1])

    def settle(self, decisions: Sequence[ScopeDecision], *, notices: Sequence[Notice]) -> None:
        """See `ScopeStore.settle`."""
        table = drift_events
        seen, later = (sa.bindparam(name, type_=table.c.scope_due_time.type) for name in ("seen", "later"))
        due_time = sa.case((table.c.scope_due_time == seen, later), else_=table.c.scope_due_time)
        change = sa.update(table).where(table.c.drift_event_id == sa.bindparam("key"))
        parameters = [
            {
                "key": decision.drift_event_id,
                "scope": decision.scope.value if decision.scope else None,
                "scope_reason": decision.scope_reason,
                "seen": decision.due_time,
                "later": decision.next_due_time,
            }
            for decision in sorted(decisions, key=lambda decision: decision.drift_event_id)
        ]
        if parameters:
            with self._database.transaction() as connection:
                connection.execute(change.values(scope_due_time=due_time), parameters)
                SqlNoticeSteps(connection).add(notices)

    def _read(self, query: sa.Select[Any]) -> Sequence[ScopedEvent]:
        with self._database.reading() as connection:
            found = connection.execute(query).mappings().all()
            groups = _groups_of(connection, [row["drift_event_id"] for row in found])
        return [
            ScopedEvent(
                event=event_from(row),
                due_time=row["scope_due_time"],
                groups=groups.get(row["drift_event_id"], {}),
            )
            for row in found
        ]


def scopes_due(*, now: datetime, limit: int) -> sa.Select[Any]:
    """Events whose scope is due, longest waiting first."""
    key = (drift_events.c.scope_due_time, drift_events.c.drift_event_id)
    return EVENTS.where(drift_events.c.scope_due_time <= now).order_by(*key).limit(limit)


def newest_alarms(span: AlarmSpan, *, limit: int) -> sa.Select[Any]:
    """Events of a span, newest first."""
    # All have one cause; named, so that the index gives the order where it is null, too.
    key = (drift_events.c.cause, drift_events.c.detect_time, drift_events.c.device_id)
    return EVENTS.where(*_within(span)).order_by(*(column.desc() for column in key)).limit(limit)


def mark_due(connection: sa.Connection, drift_event_ids: Collection[str], *, now: datetime) -> None:
    """Has the scope of events decided anew, those that are not known yet left out."""
    change = sa.update(drift_events).where(drift_events.c.drift_event_id == sa.bindparam("key"))
    parameters = [{"key": drift_event_id} for drift_event_id in sorted(drift_event_ids)]
    if parameters:
        connection.execute(change.values(scope_due_time=now), parameters)


def _within(span: AlarmSpan) -> Sequence[sa.ColumnElement[bool]]:
    table = drift_events
    cause = table.c.cause.is_(None) if span.cause is None else table.c.cause == span.cause.value
    return (
        table.c.bundle_sha256 == span.bundle_sha256,
        cause,
        table.c.detect_time >= span.since,
        table.c.detect_time < span.before,
    )


def _groups_of(
    connection: sa.Connection, drift_event_ids: Collection[str]
) -> Mapping[str, Mapping[str, int]]:
    table = sample_group_events
    query = sa.select(table.c.drift_event_id, table.c.group_id, table.c.sample_count)
    groups: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(query.where(table.c.drift_event_id.in_(drift_event_ids))):
        groups[row.drift_event_id][row.group_id] = row.sample_count
    return groups

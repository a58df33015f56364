"""Keeps the queue in step with samples and events, over SQLite and PostgreSQL.

What waits is read from samples and events, never told: the same two statements serve whatever changed.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.drift import DriftEvent, DriftEventState, SampleState, Severity, Verdict
from tinysphere.domain.queue import UNCERTAINTY_SHARE, arrival_value, severity_value
from tinysphere.storage.sql.tables_drift import drift_events, samples
from tinysphere.storage.sql.tables_queue import queue_entries, queue_sizes, sample_leases
from tinysphere.storage.sql.upsert import insert

_SAMPLES_AND_EVENTS = samples.outerjoin(
    drift_events, drift_events.c.drift_event_id == samples.c.drift_event_id
)
_WAITS = sa.and_(
    samples.c.state == SampleState.OPEN.value,
    sa.func.coalesce(drift_events.c.state, "") != DriftEventState.RESOLVED.value,
)
_SEVERITY_VALUE = sa.case(
    {severity.value: severity_value(severity) for severity in Severity},
    value=drift_events.c.severity,
    else_=0.0,
)
_COPIED = ("sample_id", "device_id", "drift_event_id", "capture_time", "distance_score")


class SqlQueueSteps:
    """See `tinysphere.storage.ports.queue.QueueSteps`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def refresh_samples(self, sample_ids: Collection[str], *, now: datetime) -> None:
        """See `QueueSteps.refresh_samples`."""
        if sample_ids:
            self._refresh(samples.c.sample_id.in_(sample_ids), now)

    def refresh_event(self, drift_event_id: str, *, now: datetime) -> None:
        """See `QueueSteps.refresh_event`."""
        self._refresh(samples.c.drift_event_id == drift_event_id, now)

    def rank_event(self, event: DriftEvent) -> None:
        """See `QueueSteps.rank_event`."""
        more = severity_value(event.severity)
        of_event = queue_entries.c.drift_event_id == event.drift_event_id
        if self._lock(of_event) and more:
            change = sa.update(queue_entries).where(of_event)
            self._connection.execute(change.values(value=queue_entries.c.value + more))

    def end_leases(self, given: Sequence[Verdict]) -> None:
        """See `QueueSteps.end_leases`."""
        if self._lock(queue_entries.c.sample_id.in_({verdict.sample_id for verdict in given})):
            pairs = {(verdict.sample_id, verdict.reviewer) for verdict in given}
            lease = sa.tuple_(sample_leases.c.sample_id, sample_leases.c.reviewer)
            self._connection.execute(sa.delete(sample_leases).where(lease.in_(sorted(pairs))))

    def _refresh(self, wanted: sa.ColumnElement[bool], now: datetime) -> None:
        change = Counter(self._enter(wanted, now))
        change.subtract(self._leave(wanted))
        rows = [{"device_id": key, "entry_count": change[key]} for key in sorted(change) if change[key]]
        if rows:
            statement = insert(self._connection.dialect.name, queue_sizes)
            total = queue_sizes.c.entry_count + statement.excluded.entry_count
            self._connection.execute(
                statement.on_conflict_do_update(index_elements=["device_id"], set_={"entry_count": total}),
                rows,
            )

    def _enter(self, wanted: sa.ColumnElement[bool], now: datetime) -> Sequence[str]:
        """Adds the entries that are missing; returns the device of each."""
        value = UNCERTAINTY_SHARE * (1.0 - samples.c.confidence) + _SEVERITY_VALUE + arrival_value(now)
        new = _select(*(samples.c[name] for name in _COPIED), value).where(wanted, _WAITS)
        statement = insert(self._connection.dialect.name, queue_entries).from_select(
            [*_COPIED, "value"], new.order_by(samples.c.sample_id)
        )
        entered = statement.on_conflict_do_nothing().returning(queue_entries.c.device_id)
        return self._connection.scalars(entered).all()

    def _leave(self, wanted: sa.ColumnElement[bool]) -> Sequence[str]:
        """Removes the entries of what waits no longer, with leases and skips; returns the device of each."""
        done = queue_entries.c.sample_id.in_(_select(samples.c.sample_id).where(wanted, sa.not_(_WAITS)))
        if not self._lock(done):
            return []
        left = sa.delete(queue_entries).where(done).returning(queue_entries.c.device_id)
        return self._connection.scalars(left).all()

    def _lock(self, wanted: sa.ColumnElement[bool]) -> bool:
        """Locks entries in the order of their ids; whether there are any."""
        query = sa.select(queue_entries.c.sample_id).where(wanted).order_by(queue_entries.c.sample_id)
        return bool(self._connection.execute(query.with_for_update()).all())


def _select(*columns: Any) -> sa.Select[Any]:
    return sa.select(*columns).select_from(_SAMPLES_AND_EVENTS)

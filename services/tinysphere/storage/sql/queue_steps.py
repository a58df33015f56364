"""Keeps the queue in step with samples and events, over SQLite and PostgreSQL.

What waits is read from samples and events, never told: the same two statements serve whatever changed.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.drift import DriftEvent, DriftEventState, SampleState, Severity, Verdict
from tinysphere.domain.queue import (
    GROUP_STEPS,
    UNCERTAINTY_SHARE,
    arrival_value,
    group_value,
    severity_value,
)
from tinysphere.storage.sql.tables_drift import drift_events, samples
from tinysphere.storage.sql.tables_queue import queue_entries, queue_sizes, sample_leases
from tinysphere.storage.sql.tables_sample_groups import sample_groups
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
_GROUP_VALUE = sa.case(
    *((sample_groups.c.sample_count >= 2**step, group_value(2**step)) for step in range(GROUP_STEPS, 0, -1)),
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
        of_event = queue_entries.c.drift_event_id == event.drift_event_id
        self._raise_values(of_event, severity_value(event.severity))

    def rank_groups(self, joined: Mapping[str, Collection[str]], sizes: Mapping[str, int]) -> None:
        """See `QueueSteps.rank_groups`."""
        raised: defaultdict[float, list[str]] = defaultdict(list)
        grown: dict[str, float] = {}
        for group_id, sample_ids in joined.items():
            more, before = group_value(sizes[group_id]), group_value(sizes[group_id] - len(sample_ids))
            raised[more] += sample_ids
            if more > before and sizes[group_id] > len(sample_ids):
                grown[group_id] = more - before
        new = {sample_id for sample_ids in joined.values() for sample_id in sample_ids}
        for sample_id, group_id in self._open_members(grown):
            if sample_id not in new:
                raised[grown[group_id]].append(sample_id)
        raised.pop(0.0, None)
        self._lock(queue_entries.c.sample_id.in_([key for ids in raised.values() for key in ids]))
        for more, ids in raised.items():
            self._raise_values(queue_entries.c.sample_id.in_(ids), more)

    def end_leases(self, given: Sequence[Verdict]) -> None:
        """See `QueueSteps.end_leases`."""
        if self._lock(queue_entries.c.sample_id.in_({verdict.sample_id for verdict in given})):
            pairs = {(verdict.sample_id, verdict.reviewer) for verdict in given}
            lease = sa.tuple_(sample_leases.c.sample_id, sample_leases.c.reviewer)
            self._connection.execute(sa.delete(sample_leases).where(lease.in_(sorted(pairs))))

    def _raise_values(self, wanted: sa.ColumnElement[bool], more: float) -> None:
        if more and self._lock(wanted):
            change = sa.update(queue_entries).where(wanted)
            self._connection.execute(change.values(value=queue_entries.c.value + more))

    def _open_members(self, group_ids: Collection[str]) -> Sequence[tuple[str, str]]:
        """Samples that wait and their groups. Groups that still gain by growing are small."""
        state, group = samples.c.state, samples.c.group_id
        query = sa.select(samples.c.sample_id, group)
        where = [group.in_(group_ids), state == SampleState.OPEN.value]
        return (
            [(row[0], row[1]) for row in self._connection.execute(query.where(*where))] if group_ids else []
        )

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
        certainty = UNCERTAINTY_SHARE * samples.c.confidence
        value = UNCERTAINTY_SHARE - certainty + _SEVERITY_VALUE + _GROUP_VALUE + arrival_value(now)
        source = _SAMPLES_AND_EVENTS.outerjoin(sample_groups, sample_groups.c.group_id == samples.c.group_id)
        columns = (samples.c[name] for name in _COPIED)
        new = sa.select(*columns, value).select_from(source).where(wanted, _WAITS)
        statement = insert(self._connection.dialect.name, queue_entries).from_select(
            [*_COPIED, "value"], new.order_by(samples.c.sample_id)
        )
        entered = statement.on_conflict_do_nothing().returning(queue_entries.c.device_id)
        return self._connection.scalars(entered).all()

    def _leave(self, wanted: sa.ColumnElement[bool]) -> Sequence[str]:
        """Removes the entries of what waits no longer, with leases and skips; returns the device of each."""
        these = sa.select(samples.c.sample_id).select_from(_SAMPLES_AND_EVENTS)
        done = queue_entries.c.sample_id.in_(these.where(wanted, sa.not_(_WAITS)))
        if not self._lock(done):
            return []
        left = sa.delete(queue_entries).where(done).returning(queue_entries.c.device_id)
        return self._connection.scalars(left).all()

    def _lock(self, wanted: sa.ColumnElement[bool]) -> bool:
        """Locks entries in the order of their ids; whether there are any."""
        query = sa.select(queue_entries.c.sample_id).where(wanted).order_by(queue_entries.c.sample_id)
        return bool(self._connection.execute(query.with_for_update()).all())

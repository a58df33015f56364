"""The steps of a drift transaction that concern events."""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.drift import DriftEvent, DriftEventTransition, EventProgress
from tinysphere.storage.sql import drift_rows as rows
from tinysphere.storage.sql.audit import SqlAuditSteps
from tinysphere.storage.sql.event_pages import EVENTS
from tinysphere.storage.sql.row_parts import Row
from tinysphere.storage.sql.tables_drift import (
    drift_event_progress,
    drift_event_transitions,
    drift_events,
)
from tinysphere.storage.sql.upsert import insert_free


class SqlEventSteps:
    """See `tinysphere.storage.ports.drift.DriftTransaction`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.audit = SqlAuditSteps(connection)

    def claim_events(self, owners: Mapping[str, str]) -> Mapping[str, str]:
        """See `DriftTransaction.claim_events`."""
        claims = [{"drift_event_id": key, "device_id": owners[key]} for key in sorted(owners)]
        insert_free(self._connection, drift_event_progress, claims)
        return self._lock_progress(owners)

    def lock_events(self, drift_event_ids: Collection[str]) -> Mapping[str, DriftEvent]:
        """See `DriftTransaction.lock_events`."""
        self._lock_progress(drift_event_ids)
        query = EVENTS.where(drift_events.c.drift_event_id.in_(drift_event_ids))
        return {row["drift_event_id"]: rows.event_from(row) for row in self._mappings(query)}

    def add_event(self, event: DriftEvent) -> None:
        """See `DriftTransaction.add_event`."""
        self._connection.execute(sa.insert(drift_events).values(rows.event_row(event)))

    def set_recovery(self, event: DriftEvent) -> None:
        """See `DriftTransaction.set_recovery`."""
        change = sa.update(drift_events).where(drift_events.c.drift_event_id == event.drift_event_id)
        self._connection.execute(
            change.values(recovery_time=event.recovery_time, recovery_index=event.recovery_index)
        )

    def set_state(self, event: DriftEvent, transitions: Sequence[DriftEventTransition]) -> None:
        """See `DriftTransaction.set_state`."""
        change = sa.update(drift_events).where(drift_events.c.drift_event_id == event.drift_event_id)
        self._connection.execute(
            change.values(
                state=event.state.value, resolution=event.resolution, closed_by_hand=event.closed_by_hand
            )
        )
        history = [rows.transition_row(event.drift_event_id, transition) for transition in transitions]
        self._execute_many(sa.insert(drift_event_transitions), history)
        self.audit.add([_audited(event, transition) for transition in transitions])

    def add_progress(self, increments: Mapping[str, EventProgress]) -> None:
        """See `DriftTransaction.add_progress`."""
        table = drift_event_progress
        change = sa.update(table).where(table.c.drift_event_id == sa.bindparam("key"))
        sums = {name: table.c[name] + sa.bindparam(f"more_{name}") for name in rows.PROGRESS_COLUMNS}
        self._execute_many(
            change.values(sums),
            [
                {"key": key, **{f"more_{name}": getattr(more, name) for name in rows.PROGRESS_COLUMNS}}
                for key, more in increments.items()
            ],
        )

    def _lock_progress(self, drift_event_ids: Collection[str]) -> Mapping[str, str]:
        table = drift_event_progress
        query = sa.select(table.c.drift_event_id, table.c.device_id).order_by(table.c.drift_event_id)
        locked = query.where(table.c.drift_event_id.in_(drift_event_ids)).with_for_update()
        return {row.drift_event_id: row.device_id for row in self._connection.execute(locked)}

    def _execute_many(self, statement: sa.Executable, parameters: Sequence[Row]) -> None:
        if parameters:
            self._connection.execute(statement, parameters)

    def _mappings(self, query: sa.Executable) -> Sequence[sa.RowMapping]:
        return self._connection.execute(query).mappings().all()


def _audited(event: DriftEvent, made: DriftEventTransition) -> AuditRecord:
    return AuditRecord(
        audit_time=made.change_time,
        actor=made.actor,
        action="drift_event.state",
        subject=event.drift_event_id,
        from_value=made.from_state.value,
        to_value=made.to_state.value,
        reason=made.reason,
    )

"""The steps of one drift transaction over SQLite and PostgreSQL.

SQLite has one writer at a time; on PostgreSQL (READ COMMITTED) every statement after a lock sees what its last
holder committed.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.drift import (
    DriftEvent,
    DriftEventTransition,
    EventProgress,
    JudgementChange,
    Sample,
    Verdict,
)
from tinysphere.domain.feedback import Acknowledgement, FeedbackItem
from tinysphere.errors import ConflictError
from tinysphere.storage.ports.drift import NewFeedback
from tinysphere.storage.sql import drift_rows as rows
from tinysphere.storage.sql.audit import SqlAuditSteps
from tinysphere.storage.sql.backlogs import SqlBacklogSteps
from tinysphere.storage.sql.drift_pages import FEEDBACK
from tinysphere.storage.sql.event_pages import EVENTS
from tinysphere.storage.sql.labels import SqlLabelSteps
from tinysphere.storage.sql.notices import SqlNoticeSteps
from tinysphere.storage.sql.queue_steps import SqlQueueSteps
from tinysphere.storage.sql.review_settings import SqlSettingsSteps
from tinysphere.storage.sql.row_parts import Row
from tinysphere.storage.sql.sample_group_counts import followed
from tinysphere.storage.sql.tables_drift import (
    drift_event_progress,
    drift_event_transitions,
    drift_events,
    feature_spaces,
    feedback_items,
    feedback_sequences,
    samples,
    verdicts,
)
from tinysphere.storage.sql.upsert import insert, insert_free


class SqlDriftTransaction:
    """See `tinysphere.storage.ports.drift.DriftTransaction`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.settings = SqlSettingsSteps(connection)
        self.labels = SqlLabelSteps(connection)
        self.audit = SqlAuditSteps(connection)
        self.backlogs = SqlBacklogSteps(connection)
        self.queue = SqlQueueSteps(connection)
        self.notices = SqlNoticeSteps(connection)

    def fix_dimensions(self, dimension_counts: Mapping[str, int]) -> Mapping[str, int]:
        """See `DriftTransaction.fix_dimensions`."""
        wanted = [
            {"feature_space": feature_space, "dimension_count": dimension_counts[feature_space]}
            for feature_space in sorted(dimension_counts)
        ]
        insert_free(self._connection, feature_spaces, wanted)
        query = sa.select(feature_spaces).where(feature_spaces.c.feature_space.in_(dimension_counts))
        return {row.feature_space: row.dimension_count for row in self._connection.execute(query)}

    def add_samples(self, new: Sequence[Sample]) -> frozenset[str]:
        """See `DriftTransaction.add_samples`."""
        ordered = sorted(new, key=lambda sample: sample.sample_id)
        return insert_free(self._connection, samples, [rows.sample_row(sample) for sample in ordered])

    def sample_owners(self, sample_ids: Collection[str]) -> Mapping[str, str]:
        """See `DriftTransaction.sample_owners`."""
        query = sa.select(samples.c.sample_id, samples.c.device_id).where(samples.c.sample_id.in_(sample_ids))
        return {row.sample_id: row.device_id for row in self._connection.execute(query)}

    def lock_samples(self, sample_ids: Collection[str]) -> Mapping[str, Sample]:
        """See `DriftTransaction.lock_samples`."""
        wanted = samples.c.sample_id.in_(sample_ids)
        query = sa.select(samples).where(wanted).order_by(samples.c.sample_id).with_for_update()
        return {row["sample_id"]: rows.sample_from(row) for row in self._mappings(query)}

    def set_judgements(self, changes: Sequence[JudgementChange]) -> None:
        """See `DriftTransaction.set_judgements`."""
        statement = sa.update(samples).where(samples.c.sample_id == sa.bindparam("key"))
        with followed(self._connection, [change.sample_id for change in changes]):
            self._execute_many(statement, [rows.judgement_columns(change) for change in changes])

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

    def get_verdicts(self, verdict_ids: Collection[str]) -> Mapping[str, Verdict]:
        """See `DriftTransaction.get_verdicts`."""
        query = sa.select(verdicts).where(verdicts.c.verdict_id.in_(verdict_ids))
        return {row["verdict_id"]: rows.verdict_from(row) for row in self._mappings(query)}

    def verdicts_on(self, sample_ids: Collection[str]) -> Mapping[str, Sequence[Verdict]]:
        """See `DriftTransaction.verdicts_on`."""
        wanted = verdicts.c.sample_id.in_(sample_ids)
        given: defaultdict[str, list[Verdict]] = defaultdict(list)
        for row in self._mappings(sa.select(verdicts).where(wanted).order_by(verdicts.c.ordinal)):
            given[row["sample_id"]].append(rows.verdict_from(row))
        return given

    def add_verdicts(self, new: Sequence[Verdict], drift_event_ids: Mapping[str, str]) -> None:
        """See `DriftTransaction.add_verdicts`."""
        added = insert_free(
            self._connection,
            verdicts,
            [rows.verdict_row(verdict, drift_event_ids[verdict.sample_id]) for verdict in new],
            returning=verdicts.c.verdict_id,
        )
        if taken := {verdict.verdict_id for verdict in new} - added:
            raise ConflictError(
                "VERDICT_CONFLICT",
                f"verdict {min(taken)} was another judgement; make a new id",
                metadata={"verdict_id": min(taken)},
            )

    def add_feedback(self, items: Sequence[NewFeedback], *, now: datetime) -> None:
        """See `DriftTransaction.add_feedback`."""
        counts = Counter(item.device_id for item in items)
        last = {
            device_id: self._take_sequences(device_id, counts[device_id], now) for device_id in sorted(counts)
        }
        new = []
        for item in reversed(items):
            new.append(rows.feedback_row(item, sequence=last[item.device_id], create_time=now))
            last[item.device_id] -= 1
        self._execute_many(sa.insert(feedback_items), new[::-1])

    def lock_feedback(self, device_id: str, feedback_ids: Collection[str]) -> Mapping[str, FeedbackItem]:
        """See `DriftTransaction.lock_feedback`."""
        query = (
            FEEDBACK.where(
                feedback_items.c.device_id == device_id, feedback_items.c.feedback_id.in_(feedback_ids)
            )
            .order_by(feedback_items.c.feedback_id)
            .with_for_update(of=feedback_items)
        )
        return {row["feedback_id"]: rows.feedback_from(row) for row in self._mappings(query)}

    def set_acknowledgements(self, answers: Sequence[Acknowledgement]) -> None:
        """See `DriftTransaction.set_acknowledgements`."""
        change = sa.update(feedback_items).where(feedback_items.c.feedback_id == sa.bindparam("key"))
        self._execute_many(
            change,
            [{"key": answer.feedback_id, **rows.acknowledgement_columns(answer)} for answer in answers],
        )

    def _take_sequences(self, device_id: str, count: int, now: datetime) -> int:
        """Returns the last of `count` new sequence numbers; the device's row stays locked, so none is skipped."""
        table = feedback_sequences
        new = {"device_id": device_id, "last_sequence": count, "announce_due_time": now}
        statement = insert(self._connection.dialect.name, table).values(new)
        more = {"last_sequence": table.c.last_sequence + count, "announce_due_time": now}
        statement = statement.on_conflict_do_update(index_elements=["device_id"], set_=more)
        return int(self._connection.execute(statement.returning(table.c.last_sequence)).scalar_one())

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

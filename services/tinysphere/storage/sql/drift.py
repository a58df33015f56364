"""Drift events, samples, verdicts and feedback over SQLite and PostgreSQL."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.drift import (
    DriftEvent,
    DriftEventTransition,
    Sample,
    Verdict,
)
from tinysphere.domain.feedback import FeedbackItem
from tinysphere.storage.ports.drift import (
    EventFilter,
    FeedbackFilter,
    SampleFilter,
    TimeKey,
    VerdictFilter,
    event_not_found,
    sample_not_found,
)
from tinysphere.storage.sql import drift_pages as pages
from tinysphere.storage.sql import drift_rows as rows
from tinysphere.storage.sql import event_pages, review_rows
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift_steps import SqlDriftTransaction
from tinysphere.storage.sql.row_parts import Row
from tinysphere.storage.sql.tables_drift import (
    drift_event_transitions,
    drift_events,
    feedback_sequences,
    samples,
)


class SqlDriftStore:
    """See `tinysphere.storage.ports.drift.DriftStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[SqlDriftTransaction]:
        """See `DriftStore.transaction`."""
        with self._database.transaction() as connection:
            yield SqlDriftTransaction(connection)

    def get_event(self, drift_event_id: str) -> DriftEvent:
        """See `DriftStore.get_event`."""
        found = self._read(event_pages.EVENTS.where(drift_events.c.drift_event_id == drift_event_id))
        if not found:
            raise event_not_found(drift_event_id)
        return rows.event_from(found[0])

    def list_transitions(self, drift_event_id: str) -> Sequence[DriftEventTransition]:
        """See `DriftStore.list_transitions`."""
        table = drift_event_transitions
        query = sa.select(table).where(table.c.drift_event_id == drift_event_id).order_by(table.c.ordinal)
        return [rows.transition_from(row) for row in self._read(query)]

    def list_events(self, wanted: EventFilter, *, after: TimeKey | None, limit: int) -> Sequence[DriftEvent]:
        """See `DriftStore.list_events`."""
        query = event_pages.event_page(wanted, after=after, limit=limit)
        return [rows.event_from(row) for row in self._read(query)]

    def get_sample(self, sample_id: str) -> Sample:
        """See `DriftStore.get_sample`."""
        found = self._read(sa.select(samples).where(samples.c.sample_id == sample_id))
        if not found:
            raise sample_not_found(sample_id)
        return rows.sample_from(found[0])

    def list_samples(self, wanted: SampleFilter, *, after: TimeKey | None, limit: int) -> Sequence[Sample]:
        """See `DriftStore.list_samples`."""
        query = pages.sample_page(wanted, after=after, limit=limit)
        return [rows.sample_from(row) for row in self._read(query)]

    def list_verdicts(
        self, wanted: VerdictFilter, *, after: int | None, limit: int
    ) -> Sequence[tuple[int, Verdict]]:
        """See `DriftStore.list_verdicts`."""
        query = pages.verdict_page(wanted, after=after, limit=limit)
        return [(row["ordinal"], review_rows.verdict_from(row)) for row in self._read(query)]

    def list_feedback(
        self, wanted: FeedbackFilter, *, after: int | None, limit: int
    ) -> Sequence[tuple[int, FeedbackItem]]:
        """See `DriftStore.list_feedback`."""
        query = pages.feedback_page(wanted, after=after, limit=limit)
        return [(row["ordinal"], review_rows.feedback_from(row)) for row in self._read(query)]

    def fetch_feedback(self, device_id: str, *, after_sequence: int, limit: int) -> Sequence[FeedbackItem]:
        """See `DriftStore.fetch_feedback`."""
        query = pages.waiting_feedback(device_id, after_sequence=after_sequence, limit=limit)
        return [review_rows.feedback_from(row) for row in self._read(query)]

    def due_announcements(self, *, now: datetime, limit: int) -> Mapping[str, int]:
        """See `DriftStore.due_announcements`."""
        table = feedback_sequences
        due = sa.select(table).where(table.c.announce_due_time <= now).limit(limit)
        ordered = due.order_by(table.c.announce_due_time, table.c.device_id)
        return {row["device_id"]: row["last_sequence"] for row in self._read(ordered)}

    def settle_announcements(self, announced: Mapping[str, int]) -> None:
        """See `DriftStore.settle_announcements`."""
        table = feedback_sequences
        change = sa.update(table).where(
            table.c.device_id == sa.bindparam("key"), table.c.last_sequence == sa.bindparam("mark")
        )
        parameters = [{"key": device_id, "mark": announced[device_id]} for device_id in sorted(announced)]
        self._write_many(change.values(announce_due_time=sa.null()), parameters)

    def postpone_announcements(self, device_ids: Collection[str], *, until: datetime) -> None:
        """See `DriftStore.postpone_announcements`."""
        table = feedback_sequences
        change = sa.update(table).where(table.c.device_id == sa.bindparam("key"))
        self._write_many(
            change.values(announce_due_time=until), [{"key": device_id} for device_id in sorted(device_ids)]
        )

    def _read(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        with self._database.reading() as connection:
            return connection.execute(query).mappings().all()

    def _write_many(self, statement: sa.Update, parameters: Sequence[Row]) -> None:
        if parameters:
            with self._database.transaction() as connection:
                connection.execute(statement, parameters)

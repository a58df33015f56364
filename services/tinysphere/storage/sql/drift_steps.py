"""The steps of one drift transaction over SQLite and PostgreSQL.

SQLite has one writer at a time; on PostgreSQL (READ COMMITTED) every statement after a lock sees what its last
holder committed.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.drift import JudgementChange, Sample, Verdict
from tinysphere.domain.feedback import Acknowledgement, FeedbackItem
from tinysphere.errors import ConflictError
from tinysphere.storage.ports.drift import NewFeedback
from tinysphere.storage.sql import drift_rows as rows
from tinysphere.storage.sql import review_rows
from tinysphere.storage.sql.backlogs import SqlBacklogSteps
from tinysphere.storage.sql.drift_pages import FEEDBACK
from tinysphere.storage.sql.event_steps import SqlEventSteps
from tinysphere.storage.sql.labels import SqlLabelSteps
from tinysphere.storage.sql.notices import SqlNoticeSteps
from tinysphere.storage.sql.queue_steps import SqlQueueSteps
from tinysphere.storage.sql.review_settings import SqlSettingsSteps
from tinysphere.storage.sql.sample_group_counts import followed
from tinysphere.storage.sql.tables_drift import (
    feature_spaces,
    feedback_items,
    feedback_sequences,
    samples,
    verdicts,
)
from tinysphere.storage.sql.upsert import insert, insert_free


class SqlDriftTransaction(SqlEventSteps):
    """See `tinysphere.storage.ports.drift.DriftTransaction`."""

    def __init__(self, connection: sa.Connection) -> None:
        super().__init__(connection)
        self.settings = SqlSettingsSteps(connection)
        self.labels = SqlLabelSteps(connection)
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
            self._execute_many(statement, [review_rows.judgement_columns(change) for change in changes])

    def get_verdicts(self, verdict_ids: Collection[str]) -> Mapping[str, Verdict]:
        """See `DriftTransaction.get_verdicts`."""
        query = sa.select(verdicts).where(verdicts.c.verdict_id.in_(verdict_ids))
        return {row["verdict_id"]: review_rows.verdict_from(row) for row in self._mappings(query)}

    def verdicts_on(self, sample_ids: Collection[str]) -> Mapping[str, Sequence[Verdict]]:
        """See `DriftTransaction.verdicts_on`."""
        wanted = verdicts.c.sample_id.in_(sample_ids)
        given: defaultdict[str, list[Verdict]] = defaultdict(list)
        for row in self._mappings(sa.select(verdicts).where(wanted).order_by(verdicts.c.ordinal)):
            given[row["sample_id"]].append(review_rows.verdict_from(row))
        return given

    def add_verdicts(self, new: Sequence[Verdict], drift_event_ids: Mapping[str, str]) -> None:
        """See `DriftTransaction.add_verdicts`."""
        added = insert_free(
            self._connection,
            verdicts,
            [review_rows.verdict_row(verdict, drift_event_ids[verdict.sample_id]) for verdict in new],
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
            new.append(review_rows.feedback_row(item, sequence=last[item.device_id], create_time=now))
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
        return {row["feedback_id"]: review_rows.feedback_from(row) for row in self._mappings(query)}

    def set_acknowledgements(self, answers: Sequence[Acknowledgement]) -> None:
        """See `DriftTransaction.set_acknowledgements`."""
        change = sa.update(feedback_items).where(feedback_items.c.feedback_id == sa.bindparam("key"))
        self._execute_many(
            change,
            [
                {"key": answer.feedback_id, **review_rows.acknowledgement_columns(answer)}
                for answer in answers
            ],
        )

    def _take_sequences(self, device_id: str, count: int, now: datetime) -> int:
        """Returns the last of `count` new sequence numbers; the device's row stays locked, so none is skipped."""
        table = feedback_sequences
        new = {"device_id": device_id, "last_sequence": count, "announce_due_time": now}
        statement = insert(self._connection.dialect.name, table).values(new)
        more = {"last_sequence": table.c.last_sequence + count, "announce_due_time": now}
        statement = statement.on_conflict_do_update(index_elements=["device_id"], set_=more)
        return int(self._connection.execute(statement.returning(table.c.last_sequence)).scalar_one())

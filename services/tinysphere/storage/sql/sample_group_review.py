"""The steps of one verdict on a group, over SQLite and PostgreSQL."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.drift import Decision, DriftEventState, SampleState, Verdict
from tinysphere.domain.sample_groups import GroupOutcome, SampleGroup
from tinysphere.storage.ports.sample_groups import group_not_found
from tinysphere.storage.sql.drift_steps import SqlDriftTransaction
from tinysphere.storage.sql.row_parts import attributes
from tinysphere.storage.sql.sample_group_rows import group_from
from tinysphere.storage.sql.tables_drift import drift_events, samples, verdicts
from tinysphere.storage.sql.tables_sample_groups import sample_group_verdicts, sample_groups
from tinysphere.storage.sql.upsert import insert_free

_VERDICT_COLUMNS = ("verdict_id", "reviewer", "label", "confidence", "note", "submit_time")
_OUTCOME_COLUMNS = ("verdict_count", "judged_sample_count", "device_count")


class SqlGroupReviewTransaction:
    """See `tinysphere.storage.ports.sample_groups.GroupReviewTransaction`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.verdicts = SqlDriftTransaction(connection)

    def get_group(self, group_id: str) -> SampleGroup:
        """See `GroupReviewTransaction.get_group`."""
        query = sa.select(sample_groups).where(sample_groups.c.group_id == group_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise group_not_found(group_id)
        return group_from(row)

    def samples_to_judge(
        self, group_id: str, *, reviewer: str, excluded: Collection[str], limit: int
    ) -> Sequence[str]:
        """See `GroupReviewTransaction.samples_to_judge`."""
        query = to_judge(group_id, reviewer=reviewer, excluded=excluded, limit=limit)
        return self._connection.execute(query).scalars().all()

    def find_verdict(self, verdict_id: str) -> tuple[str, Verdict, GroupOutcome] | None:
        """See `GroupReviewTransaction.find_verdict`."""
        table = sample_group_verdicts
        query = sa.select(table).where(table.c.verdict_id == verdict_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            return None
        verdict = Verdict(
            **{name: row[name] for name in _VERDICT_COLUMNS},
            sample_id="",
            decision=Decision(row["decision"]),
        )
        outcome = GroupOutcome(**{name: row[name] for name in _OUTCOME_COLUMNS})
        return row["group_id"], verdict, outcome

    def add_verdict(self, group_id: str, verdict: Verdict, outcome: GroupOutcome) -> bool:
        """See `GroupReviewTransaction.add_verdict`."""
        row = {
            **attributes(verdict, _VERDICT_COLUMNS),
            **attributes(outcome, _OUTCOME_COLUMNS),
            "group_id": group_id,
            "decision": verdict.decision.value,
        }
        return bool(insert_free(self._connection, sample_group_verdicts, [row]))


def to_judge(group_id: str, *, reviewer: str, excluded: Collection[str], limit: int) -> sa.Select[Any]:
    """Open samples of a group that wait for this reviewer; it reads no more than these, the excluded and the judged."""
    resolved = sa.select(drift_events.c.drift_event_id).where(
        drift_events.c.drift_event_id == samples.c.drift_event_id,
        drift_events.c.state == DriftEventState.RESOLVED.value,
    )
    given = sa.select(verdicts.c.verdict_id).where(
        verdicts.c.sample_id == samples.c.sample_id, verdicts.c.reviewer == reviewer
    )
    return (
        sa.select(samples.c.sample_id)
        .where(
            samples.c.group_id == group_id,
            samples.c.state == SampleState.OPEN.value,
            samples.c.sample_id.not_in(excluded),
            ~resolved.exists(),
            ~given.exists(),
        )
        .order_by(samples.c.capture_time, samples.c.sample_id)
        .limit(limit)
    )

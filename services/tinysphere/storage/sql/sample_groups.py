"""Groups of look-alikes over SQLite and PostgreSQL."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.drift import Sample
from tinysphere.domain.sample_groups import GroupCentre, GroupingStep, GroupSpace, SampleGroup
from tinysphere.storage.ports.sample_groups import GroupFilter, GroupKey, group_not_found
from tinysphere.storage.sql import sample_group_pages as pages
from tinysphere.storage.sql import sample_group_rows as rows
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift_rows import sample_from
from tinysphere.storage.sql.sample_group_review import SqlGroupReviewTransaction
from tinysphere.storage.sql.sample_group_steps import take_step
from tinysphere.storage.sql.tables_drift import samples
from tinysphere.storage.sql.tables_sample_groups import (
    sample_group_events,
    sample_group_spaces,
    sample_groups,
)

_FLOAT64_BYTES = 8


class SqlSampleGroupStore:
    """See `tinysphere.storage.ports.sample_groups.SampleGroupStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ungrouped(self, *, limit: int) -> Sequence[Sample]:
        """See `SampleGroupStore.ungrouped`."""
        found = self._read(pages.ungrouped(limit=limit))
        return [sample_from(row) for row in found if row["feature_space"] == found[0]["feature_space"]]

    def get_space(self, feature_space: str, *, dimension_count: int) -> GroupSpace:
        """See `SampleGroupStore.get_space`."""
        table = sample_group_spaces
        found = self._read(sa.select(table).where(table.c.feature_space == feature_space))
        known = bool(found and found[0]["sample_count"])
        return GroupSpace(
            feature_space=feature_space,
            sample_count=found[0]["sample_count"] if known else 0,
            embedding_sum=bytes(found[0]["embedding_sum"])
            if known
            else bytes(_FLOAT64_BYTES * dimension_count),
            labels=tuple(found[0]["labels"]) if known else (),
        )

    def newest_centres(self, feature_space: str, *, limit: int) -> Sequence[GroupCentre]:
        """See `SampleGroupStore.newest_centres`."""
        query = pages.newest_centres(feature_space, limit=limit)
        return [rows.centre_from(row) for row in self._read(query)]

    def get_samples(self, sample_ids: Collection[str]) -> Mapping[str, Sample]:
        """See `SampleGroupStore.get_samples`."""
        found = self._read(sa.select(samples).where(samples.c.sample_id.in_(sample_ids)))
        return {row["sample_id"]: sample_from(row) for row in found}

    def representative_ids(self, group_ids: Collection[str]) -> Mapping[str, Sequence[str]]:
        """See `SampleGroupStore.representative_ids`."""
        table = sample_groups
        query = sa.select(table.c.group_id, table.c.representative_sample_ids)
        found = self._read(query.where(table.c.group_id.in_(group_ids)))
        return {row["group_id"]: row["representative_sample_ids"] for row in found}

    def take_step(self, step: GroupingStep, *, now: datetime) -> bool:
        """See `SampleGroupStore.take_step`."""
        with self._database.transaction() as connection:
            return take_step(connection, step, now=now)

    def get_group(self, group_id: str) -> SampleGroup:
        """See `SampleGroupStore.get_group`."""
        found = self._read(sa.select(sample_groups).where(sample_groups.c.group_id == group_id))
        if not found:
            raise group_not_found(group_id)
        return rows.group_from(found[0])

    def list_groups(
        self, wanted: GroupFilter, *, after: GroupKey | None, limit: int
    ) -> Sequence[SampleGroup]:
        """See `SampleGroupStore.list_groups`."""
        return [
            rows.group_from(row) for row in self._read(pages.group_page(wanted, after=after, limit=limit))
        ]

    def open_counts(self, drift_event_id: str) -> Sequence[int]:
        """See `SampleGroupStore.open_counts`."""
        table = sample_group_events
        query = sa.select(table.c.open_sample_count).where(
            table.c.drift_event_id == drift_event_id, table.c.open_sample_count > 0
        )
        return [
            row["open_sample_count"] for row in self._read(query.order_by(table.c.open_sample_count.desc()))
        ]

    @contextmanager
    def transaction(self) -> Iterator[SqlGroupReviewTransaction]:
        """See `SampleGroupStore.transaction`."""
        with self._database.transaction() as connection:
            yield SqlGroupReviewTransaction(connection)

    def _read(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        with self._database.reading() as connection:
            return connection.execute(query).mappings().all()

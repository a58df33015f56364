"""Key-set pages of groups: each starts in an index at its key and reads no row that it does not return."""

from typing import Any

import sqlalchemy as sa

from tinysphere.storage.ports.sample_groups import GroupFilter, GroupKey
from tinysphere.storage.sql.tables_drift import samples
from tinysphere.storage.sql.tables_sample_groups import sample_group_events, sample_groups


def ungrouped(*, limit: int) -> sa.Select[Any]:
    """Samples without a group, by feature space."""
    key = (samples.c.feature_space, samples.c.sample_id)
    return sa.select(samples).where(samples.c.group_id.is_(None)).order_by(*key).limit(limit)


def newest_centres(feature_space: str, *, limit: int) -> sa.Select[Any]:
    """Groups that a sample joined last."""
    table = sample_groups
    key = (table.c.join_ordinal.desc(), table.c.group_id.desc())
    return sa.select(table).where(table.c.feature_space == feature_space).order_by(*key).limit(limit)


def group_page(wanted: GroupFilter, *, after: GroupKey | None, limit: int) -> sa.Select[Any]:
    """Most open samples first; it starts in an index at its key. Those of one event are read whole and sorted."""
    table = sample_groups
    key = (table.c.open_sample_count, table.c.group_id)
    query = sa.select(table).order_by(*(column.desc() for column in key)).limit(limit)
    if wanted.feature_space:
        query = query.where(table.c.feature_space == wanted.feature_space)
    if wanted.drift_event_id:
        of_event = sample_group_events.c.drift_event_id == wanted.drift_event_id
        query = query.where(table.c.group_id.in_(sa.select(sample_group_events.c.group_id).where(of_event)))
    if wanted.minimum_sample_count > 1:
        query = query.where(table.c.sample_count >= wanted.minimum_sample_count)
    if wanted.open_only:
        query = query.where(table.c.open_sample_count > 0)
    if after is not None:
        query = query.where(sa.tuple_(*key) < sa.tuple_(*after, types=[column.type for column in key]))
    return query

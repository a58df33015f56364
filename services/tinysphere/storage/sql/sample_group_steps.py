"""Stores one step of grouping, as a whole or not at all. Locks in this order: space, samples, groups, events, queue."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.drift import SampleState
from tinysphere.domain.sample_groups import GroupingStep
from tinysphere.storage.sql import sample_group_rows as rows
from tinysphere.storage.sql.queue_steps import SqlQueueSteps
from tinysphere.storage.sql.row_parts import Row
from tinysphere.storage.sql.scopes import mark_due
from tinysphere.storage.sql.tables_drift import samples
from tinysphere.storage.sql.tables_sample_groups import (
    sample_group_devices,
    sample_group_events,
    sample_group_spaces,
    sample_groups,
)
from tinysphere.storage.sql.upsert import insert, insert_free

MOST_DEVICE_IDS = 64

Members = Mapping[str, Sequence[sa.RowMapping]]


def take_step(connection: sa.Connection, step: GroupingStep, *, now: datetime) -> bool:
    """See `SampleGroupStore.take_step`; the caller's transaction must end with it."""
    locked = _lock_ungrouped(connection, step) if _lock_space(connection, step) else {}
    if len(locked) < len(step.joinings):
        return False
    members: defaultdict[str, list[sa.RowMapping]] = defaultdict(list)
    for joining in step.joinings:
        members[joining.group_id].append(locked[joining.sample_id])
    _set_space(connection, step)
    _set_samples(connection, step)
    _add_groups(connection, step, now)
    _count_devices(connection, members)
    _count_events(connection, members)
    _count_groups(connection, step, members, now)
    events = {member["drift_event_id"] for part in members.values() for member in part}
    mark_due(connection, events - {""}, now=now)  # which shifts are alike shows in their groups
    _rank(connection, members)
    return True


def _lock_space(connection: sa.Connection, step: GroupingStep) -> bool:
    """Whether the space is as the step found it."""
    table, space = sample_group_spaces, step.space
    new = {"feature_space": space.feature_space, "sample_count": 0, "embedding_sum": b"", "labels": []}
    insert_free(connection, table, [new])
    query = sa.select(table.c.sample_count).where(table.c.feature_space == space.feature_space)
    count: int = connection.execute(query.with_for_update()).scalar_one()
    return count == step.previous_sample_count


def _lock_ungrouped(connection: sa.Connection, step: GroupingStep) -> Mapping[str, sa.RowMapping]:
    wanted = samples.c.sample_id.in_([joining.sample_id for joining in step.joinings])
    columns = ("sample_id", "device_id", "drift_event_id", "predicted_label", "state", "judged_label")
    query = sa.select(*(samples.c[name] for name in columns)).where(wanted, samples.c.group_id.is_(None))
    found = connection.execute(query.order_by(samples.c.sample_id).with_for_update()).mappings()
    return {row["sample_id"]: row for row in found}


def _set_space(connection: sa.Connection, step: GroupingStep) -> None:
    table, space = sample_group_spaces, step.space
    change = sa.update(table).where(table.c.feature_space == space.feature_space)
    connection.execute(
        change.values(
            sample_count=space.sample_count, embedding_sum=space.embedding_sum, labels=list(space.labels)
        )
    )


def _set_samples(connection: sa.Connection, step: GroupingStep) -> None:
    change = sa.update(samples).where(samples.c.sample_id == sa.bindparam("key"))
    joined = [
        {"key": joining.sample_id, "group_id": joining.group_id, "group_similarity": joining.similarity}
        for joining in step.joinings
    ]
    connection.execute(change, joined)


def _add_groups(connection: sa.Connection, step: GroupingStep, now: datetime) -> None:
    founded = [
        rows.new_group_row(centre, step.space.feature_space, now=now)
        for centre in step.centres
        if centre.group_id in step.founded
    ]
    if founded:
        connection.execute(sa.insert(sample_groups), founded)


def _count_devices(connection: sa.Connection, members: Members) -> None:
    counts = Counter((key, member["device_id"]) for key, part in members.items() for member in part)
    _add_up(
        connection,
        sample_group_devices,
        [
            {"group_id": group_id, "device_id": device_id, "sample_count": counts[group_id, device_id]}
            for group_id, device_id in sorted(counts)
        ],
        sums=("sample_count",),
    )


def _count_events(connection: sa.Connection, members: Members) -> None:
    pairs = [(member, key) for key, part in members.items() for member in part if member["drift_event_id"]]
    counts = Counter((member["drift_event_id"], key) for member, key in pairs)
    opened = Counter(
        (member["drift_event_id"], key) for member, key in pairs if member["state"] == SampleState.OPEN.value
    )
    _add_up(
        connection,
        sample_group_events,
        [
            {
                "drift_event_id": event_id,
                "group_id": group_id,
                "sample_count": counts[event_id, group_id],
                "open_sample_count": opened[event_id, group_id],
            }
            for event_id, group_id in sorted(counts)
        ],
        sums=("sample_count", "open_sample_count"),
    )


def _count_groups(connection: sa.Connection, step: GroupingStep, members: Members, now: datetime) -> None:
    similarities: defaultdict[str, list[float]] = defaultdict(list)
    for joining in step.joinings:
        similarities[joining.group_id].append(joining.similarity)
    query = sa.select(sample_groups).where(sample_groups.c.group_id.in_(members))
    locked = connection.execute(query.order_by(sample_groups.c.group_id).with_for_update()).mappings()
    groups = {row["group_id"]: row for row in locked}
    devices = _newest_devices(connection, members.keys())
    change = sa.update(sample_groups).where(sample_groups.c.group_id == sa.bindparam("key"))
    connection.execute(
        change,
        [
            {
                "key": centre.group_id,
                **rows.centre_columns(centre, now=now),
                **rows.joined_columns(
                    groups[centre.group_id], members[centre.group_id], similarities[centre.group_id]
                ),
                **devices[centre.group_id],
            }
            for centre in step.centres
        ],
    )


def _rank(connection: sa.Connection, members: Members) -> None:
    """Has what waits rank by the size of its group."""
    query = sa.select(sample_groups.c.group_id, sample_groups.c.sample_count)
    found = connection.execute(query.where(sample_groups.c.group_id.in_(members)))
    joined = {key: [member["sample_id"] for member in part] for key, part in members.items()}
    SqlQueueSteps(connection).rank_groups(joined, {row.group_id: row.sample_count for row in found})


def _newest_devices(connection: sa.Connection, group_ids: Collection[str]) -> Mapping[str, Row]:
    """The columns of `sample_groups` that tell of devices."""
    table = sample_group_devices
    order = (table.c.sample_count.desc(), table.c.device_id)
    ranked = (
        sa.select(
            table.c.group_id,
            table.c.device_id,
            sa.func.row_number().over(partition_by=table.c.group_id, order_by=order).label("place"),
            sa.func.count().over(partition_by=table.c.group_id).label("device_count"),
        )
        .where(table.c.group_id.in_(group_ids))
        .subquery()
    )
    query = sa.select(ranked).where(ranked.c.place <= MOST_DEVICE_IDS)
    found: dict[str, Row] = {}
    for row in connection.execute(query.order_by(ranked.c.group_id, ranked.c.place)):
        columns = found.setdefault(row.group_id, {"device_count": row.device_count, "device_ids": []})
        columns["device_ids"].append(row.device_id)
    return found


def _add_up(connection: sa.Connection, table: sa.Table, new: Sequence[Row], *, sums: Collection[str]) -> None:
    """Adds rows, or their numbers to the rows that are there."""
    if not new:
        return
    statement = insert(connection.dialect.name, table)
    more = {name: table.c[name] + statement.excluded[name] for name in sums}
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=more), list(new)
    )

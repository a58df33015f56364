"""Counts groups anew from the samples that are left when some were deleted. Sums of vectors keep their direction."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import sqlalchemy as sa

from tinysphere.domain.drift import SampleState
from tinysphere.storage.sql.row_parts import Row
from tinysphere.storage.sql.sample_group_steps import MOST_DEVICE_IDS
from tinysphere.storage.sql.tables_drift import samples
from tinysphere.storage.sql.tables_sample_groups import (
    sample_group_devices,
    sample_group_events,
    sample_group_spaces,
    sample_group_verdicts,
    sample_groups,
)

BATCH_SIZE = 500


def groups_of_device(connection: sa.Connection, device_id: str) -> Sequence[str]:
    """Groups with samples of a device."""
    table = sample_group_devices
    query = sa.select(table.c.group_id).where(table.c.device_id == device_id).order_by(table.c.group_id)
    return connection.execute(query).scalars().all()


def recount(connection: sa.Connection, group_ids: Sequence[str]) -> None:
    """Has groups count the samples that they still have; those without any are deleted."""
    lost: Counter[str] = Counter()
    for start in range(0, len(group_ids), BATCH_SIZE):
        lost += _recount_some(connection, group_ids[start : start + BATCH_SIZE])
    for feature_space, count in sorted(lost.items()):
        _shrink_space(connection, feature_space, count)


def _recount_some(connection: sa.Connection, group_ids: Sequence[str]) -> Counter[str]:
    """Returns how many samples each feature space lost."""
    table = sample_groups
    query = sa.select(table).where(table.c.group_id.in_(group_ids)).order_by(table.c.group_id)
    groups = connection.execute(query.with_for_update()).mappings().all()
    members = _members(connection, group_ids)
    shown = {sample_id for row in groups for sample_id in row["representative_sample_ids"]}
    there = _existing(connection, shown)
    for of_group in (sample_group_devices, sample_group_events):
        connection.execute(sa.delete(of_group).where(of_group.c.group_id.in_(group_ids)))
    _drop(connection, [row["group_id"] for row in groups if not members[row["group_id"]]])
    left = [row for row in groups if members[row["group_id"]]]
    if left:
        change = sa.update(table).where(table.c.group_id == sa.bindparam("key"))
        connection.execute(change, [_columns(row, members[row["group_id"]], there) for row in left])
        _insert_counts(connection, [row["group_id"] for row in left])
    lost: Counter[str] = Counter()
    for row in groups:
        lost[row["feature_space"]] += row["sample_count"] - len(members[row["group_id"]])
    return lost


def _members(connection: sa.Connection, group_ids: Collection[str]) -> Mapping[str, Sequence[sa.RowMapping]]:
    names = ("group_id", "device_id", "state", "predicted_label", "judged_label", "group_similarity")
    query = sa.select(*(samples.c[name] for name in names)).where(samples.c.group_id.in_(group_ids))
    members: defaultdict[str, list[sa.RowMapping]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        members[row["group_id"]].append(row)
    return members


def _existing(connection: sa.Connection, sample_ids: Collection[str]) -> frozenset[str]:
    query = sa.select(samples.c.sample_id).where(samples.c.sample_id.in_(sample_ids))
    return frozenset(connection.execute(query).scalars())


def _drop(connection: sa.Connection, group_ids: Collection[str]) -> None:
    for table in (sample_group_verdicts, sample_groups):
        connection.execute(sa.delete(table).where(table.c.group_id.in_(group_ids)))


def _columns(row: sa.RowMapping, members: Sequence[sa.RowMapping], there: Collection[str]) -> Row:
    share = len(members) / row["sample_count"]
    devices = Counter(member["device_id"] for member in members)
    ranked = sorted(devices, key=lambda device_id: (-devices[device_id], device_id))
    return {
        "key": row["group_id"],
        "revision": row["revision"] + 1,
        "sample_count": len(members),
        "open_sample_count": sum(member["state"] == SampleState.OPEN.value for member in members),
        "device_count": len(devices),
        "device_ids": ranked[:MOST_DEVICE_IDS],
        "squared_gap_sum": sum((1 - member["group_similarity"]) ** 2 for member in members),
        "embedding_sum": _scaled(row["embedding_sum"], "<f4", share),
        "neighbour_labels": {label: share * total for label, total in row["neighbour_labels"].items()},
        "predicted_labels": dict(Counter(member["predicted_label"] for member in members)),
        "judged_labels": dict(
            Counter(member["judged_label"] for member in members if member["judged_label"])
        ),
        "representative_sample_ids": [key for key in row["representative_sample_ids"] if key in there],
    }


def _insert_counts(connection: sa.Connection, group_ids: Collection[str]) -> None:
    c = samples.c
    opened = sa.func.sum(sa.case((c.state == SampleState.OPEN.value, 1), else_=0))
    devices = sa.select(c.group_id, c.device_id, sa.func.count()).group_by(c.group_id, c.device_id)
    events = sa.select(c.drift_event_id, c.group_id, sa.func.count(), opened).where(c.drift_event_id != "")
    for table, query in (
        (sample_group_devices, devices),
        (sample_group_events, events.group_by(c.drift_event_id, c.group_id)),
    ):
        chosen = query.where(c.group_id.in_(group_ids))
        connection.execute(sa.insert(table).from_select(list(table.c), chosen))


def _shrink_space(connection: sa.Connection, feature_space: str, count: int) -> None:
    """Also tells groupers at work that what they remember is no longer what is stored."""
    table = sample_group_spaces
    query = sa.select(table).where(table.c.feature_space == feature_space).with_for_update()
    row = connection.execute(query).mappings().one()
    left = max(row["sample_count"] - count, 0)
    share = left / row["sample_count"] if row["sample_count"] else 0.0
    connection.execute(
        sa.update(table)
        .where(table.c.feature_space == feature_space)
        .values(sample_count=left, embedding_sum=_scaled(row["embedding_sum"], "<f8", share))
    )


def _scaled(content: bytes, dtype: str, share: float) -> bytes:
    return (np.frombuffer(content, dtype=dtype) * share).astype(dtype).tobytes()

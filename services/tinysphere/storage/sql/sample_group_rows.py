"""Groups of look-alikes as rows, and back."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.drift import SampleState
from tinysphere.domain.sample_groups import GroupCentre, SampleGroup
from tinysphere.storage.sql.row_parts import Row

_GROUP_COLUMNS = (
    "group_id",
    "feature_space",
    "revision",
    "sample_count",
    "open_sample_count",
    "device_count",
    "squared_gap_sum",
    "neighbour_labels",
    "predicted_labels",
    "judged_labels",
    "create_time",
    "update_time",
)


def group_from(row: sa.RowMapping) -> SampleGroup:
    """From a row of `sample_groups`."""
    return SampleGroup(
        **{name: row[name] for name in _GROUP_COLUMNS},
        device_ids=tuple(row["device_ids"]),
        representative_sample_ids=tuple(row["representative_sample_ids"]),
    )


def centre_from(row: sa.RowMapping) -> GroupCentre:
    """From a row of `sample_groups`, without its representatives."""
    return GroupCentre(
        group_id=row["group_id"],
        sample_count=row["sample_count"],
        embedding_sum=bytes(row["embedding_sum"]),
        neighbour_labels=row["neighbour_labels"],
        join_ordinal=row["join_ordinal"],
    )


def new_group_row(centre: GroupCentre, feature_space: str, *, now: datetime) -> Row:
    """A row of `sample_groups` for a group that no sample has joined yet."""
    return {
        "group_id": centre.group_id,
        "feature_space": feature_space,
        "revision": 0,
        "sample_count": 0,
        "open_sample_count": 0,
        "device_count": 0,
        "device_ids": [],
        "squared_gap_sum": 0.0,
        "predicted_labels": {},
        "judged_labels": {},
        "create_time": now,
        **centre_columns(centre, now=now),
    }


def centre_columns(centre: GroupCentre, *, now: datetime) -> Row:
    """The columns that a joining sample changes whatever its state."""
    return {
        "embedding_sum": centre.embedding_sum,
        "neighbour_labels": dict(centre.neighbour_labels),
        "join_ordinal": centre.join_ordinal,
        "representative_sample_ids": list(centre.representative_sample_ids),
        "update_time": now,
    }


def joined_columns(
    group: sa.RowMapping, members: Sequence[sa.RowMapping], similarities: Iterable[float]
) -> Row:
    """The columns that count samples, after `members` joined.

    Args:
        group: The group's row before.
        members: Rows of the samples that join.
        similarities: Theirs to the centre.
    """
    predicted = Counter(group["predicted_labels"])
    predicted.update(member["predicted_label"] for member in members)
    judged = Counter(group["judged_labels"])
    judged.update(member["judged_label"] for member in members if member["judged_label"])
    opened = sum(member["state"] == SampleState.OPEN.value for member in members)
    gaps = sum((1 - similarity) ** 2 for similarity in similarities)
    return {
        "revision": group["revision"] + 1,
        "sample_count": group["sample_count"] + len(members),
        "open_sample_count": group["open_sample_count"] + opened,
        "squared_gap_sum": group["squared_gap_sum"] + gaps,
        "predicted_labels": dict(predicted),
        "judged_labels": dict(judged),
    }

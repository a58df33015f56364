"""Keeps what groups count in step with their samples: whoever changes states of samples does it inside `followed`."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import sqlalchemy as sa

from tinysphere.domain.drift import SampleState
from tinysphere.storage.sql.tables_drift import samples
from tinysphere.storage.sql.tables_sample_groups import sample_group_events, sample_groups


class _Standing(NamedTuple):
    """Where a grouped sample stands."""

    group_id: str
    drift_event_id: str
    is_open: bool
    judged_label: str


@contextmanager
def followed(connection: sa.Connection, sample_ids: Collection[str]) -> Iterator[None]:
    """Has the groups of locked samples count what the block changes of them. Locks groups in the order of ids."""
    before = _standing(connection, sample_ids)
    yield
    if before:
        _count(connection, before, _standing(connection, before.keys()))


def _standing(connection: sa.Connection, sample_ids: Collection[str]) -> Mapping[str, _Standing]:
    columns = ("sample_id", "group_id", "drift_event_id", "state", "judged_label")
    grouped = samples.c.group_id.is_not(None)
    query = sa.select(*(samples.c[name] for name in columns)).where(
        samples.c.sample_id.in_(sample_ids), grouped
    )
    return {
        row.sample_id: _Standing(
            row.group_id,
            row.drift_event_id,
            row.state == SampleState.OPEN.value,
            row.judged_label or "",
        )
        for row in connection.execute(query)
    }


def _count(
    connection: sa.Connection, before: Mapping[str, _Standing], after: Mapping[str, _Standing]
) -> None:
    opened: Counter[str] = Counter()
    of_events: Counter[tuple[str, str]] = Counter()
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sample_id, now in after.items():
        was = before[sample_id]
        if now == was:
            continue
        opened[now.group_id] += now.is_open - was.is_open
        of_events[now.drift_event_id, now.group_id] += now.is_open - was.is_open
        labels[now.group_id].update({now.judged_label: 1})
        labels[now.group_id].subtract({was.judged_label: 1})
    _change_groups(connection, opened, labels)
    _change_events(connection, of_events)


def _change_groups(
    connection: sa.Connection, opened: Mapping[str, int], labels: Mapping[str, Counter[str]]
) -> None:
    table = sample_groups
    query = sa.select(table.c.group_id, table.c.judged_labels).where(table.c.group_id.in_(opened))
    locked = connection.execute(query.order_by(table.c.group_id).with_for_update()).all()
    parameters = [
        {
            "key": row.group_id,
            "more": opened[row.group_id],
            "judged_labels": _added(row.judged_labels, labels[row.group_id]),
        }
        for row in locked
    ]
    change = sa.update(table).where(table.c.group_id == sa.bindparam("key"))
    counts = {
        "revision": table.c.revision + 1,
        "open_sample_count": table.c.open_sample_count + sa.bindparam("more"),
        "judged_labels": sa.bindparam("judged_labels", type_=table.c.judged_labels.type),
    }
    if parameters:
        connection.execute(change.values(counts), parameters)


def _added(judged: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    counts = Counter(judged)
    counts.update(more)
    return {label: count for label, count in counts.items() if label and count > 0}


def _change_events(connection: sa.Connection, opened: Mapping[tuple[str, str], int]) -> None:
    table = sample_group_events
    change = sa.update(table).where(
        table.c.drift_event_id == sa.bindparam("event"), table.c.group_id == sa.bindparam("key")
    )
    parameters = [
        {"event": event_id, "key": group_id, "more": opened[event_id, group_id]}
        for event_id, group_id in sorted(opened)
        if event_id
    ]
    if parameters:
        more = table.c.open_sample_count + sa.bindparam("more")
        connection.execute(change.values(open_sample_count=more), parameters)

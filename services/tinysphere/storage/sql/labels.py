"""The catalogue of labels inside a transaction, over SQLite and PostgreSQL."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.drift import Decision, Judgement, JudgementChange
from tinysphere.domain.labels import label_key
from tinysphere.domain.review import Label
from tinysphere.storage.sql.row_parts import Row
from tinysphere.storage.sql.tables_drift import samples
from tinysphere.storage.sql.tables_review import label_aliases, labels
from tinysphere.storage.sql.upsert import insert_free


class SqlLabelSteps:
    """See `tinysphere.storage.ports.labels.LabelSteps`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self, names: Collection[str]) -> Mapping[str, str]:
        """See `LabelSteps.find`."""
        keys = {name: label_key(name) for name in names}
        known = self._names_of(set(keys.values()))
        return {name: known[key] for name, key in keys.items() if key in known}

    def add(self, creators: Mapping[str, str], *, now: datetime) -> Sequence[str]:
        """See `LabelSteps.add`."""
        rows: dict[str, Row] = {}
        for name, creator in creators.items():
            rows.setdefault(label_key(name), {"name": name, "creator": creator, "create_time": now})
        ordered = [{"label_key": key, **rows[key]} for key in sorted(rows)]
        added = insert_free(self._connection, labels, ordered)
        return [row["name"] for row in ordered if row["label_key"] in added]

    def count(self, changes: Sequence[JudgementChange]) -> None:
        """See `LabelSteps.count`."""
        more: Counter[str] = Counter()
        for change in changes:
            for judgement, step in ((change.before, -1), (change.after, 1)):
                if judgement is not None and judgement.label:
                    more[label_key(judgement.label)] += step
        _count(self._connection, more)

    def get(self, name: str) -> Label | None:
        """See `LabelSteps.get`."""
        (found,) = self.find([name]).values() or ("",)
        rows = read_labels(self._connection, LABELS.where(labels.c.label_key == label_key(found)))
        return rows[0] if rows else None

    def lock_judged(self, name: str, *, limit: int) -> Sequence[JudgementChange]:
        """See `LabelSteps.lock_judged`."""
        columns = ("sample_id", "device_id", "drift_event_id", "judged_decision", "judged_label")
        query = sa.select(*(samples.c[column] for column in columns)).where(samples.c.judged_label == name)
        locked = query.order_by(samples.c.sample_id).limit(limit).with_for_update()
        return [_unchanged(row) for row in self._connection.execute(locked)]

    def respell(self, label: Label, name: str) -> None:
        """See `LabelSteps.respell`."""
        change = sa.update(labels).where(labels.c.label_key == label_key(label.name))
        self._connection.execute(change.values(name=name))

    def replace(self, label: Label, name: str) -> None:
        """See `LabelSteps.replace`."""
        old, new = label_key(label.name), label_key(name)
        table = label_aliases
        self._connection.execute(sa.delete(table).where(table.c.alias_key == new))
        self._connection.execute(sa.update(table).where(table.c.label_key == old).values(label_key=new))
        alias = {"alias_key": old, "alias": label.name, "label_key": new}
        self._connection.execute(sa.insert(table).values(alias))
        self._connection.execute(sa.delete(labels).where(labels.c.label_key == old))

    def total(self) -> int:
        """See `LabelSteps.total`."""
        return self._connection.execute(sa.select(sa.func.count()).select_from(labels)).scalar_one()

    def _names_of(self, keys: Collection[str]) -> Mapping[str, str]:
        direct = sa.select(labels.c.label_key, labels.c.name).where(labels.c.label_key.in_(keys))
        through = sa.select(label_aliases.c.alias_key, labels.c.name).join_from(label_aliases, labels)
        named = through.where(label_aliases.c.alias_key.in_(keys))
        return {row[0]: row[1] for query in (direct, named) for row in self._connection.execute(query)}


LABELS = sa.select(labels)


def uncount(connection: sa.Connection, device_id: str) -> None:
    """Has labels no longer count the samples of a device, which are about to be deleted."""
    judged = samples.c.judged_label
    query = sa.select(judged, sa.func.count()).where(samples.c.device_id == device_id, judged.is_not(None))
    fewer: Counter[str] = Counter()
    for name, sample_count in connection.execute(query.group_by(judged)):
        fewer[label_key(name)] -= sample_count
    _count(connection, fewer)


def read_labels(connection: sa.Connection, query: sa.Select[Any]) -> Sequence[Label]:
    """The labels of rows of `labels`, each with its aliases."""
    rows = connection.execute(query).mappings().all()
    aliases: dict[str, list[str]] = {row["label_key"]: [] for row in rows}
    wanted = sa.select(label_aliases).where(label_aliases.c.label_key.in_(aliases))
    for alias in connection.execute(wanted.order_by(label_aliases.c.alias_key)):
        aliases[alias.label_key].append(alias.alias)
    columns = ("name", "sample_count", "creator", "create_time")
    return [
        Label(**{name: row[name] for name in columns}, aliases=tuple(aliases[row["label_key"]]))
        for row in rows
    ]


def _count(connection: sa.Connection, more: Mapping[str, int]) -> None:
    """Adds to the counts of labels, by key."""
    change = sa.update(labels).where(labels.c.label_key == sa.bindparam("key"))
    parameters = [{"key": key, "more": more[key]} for key in sorted(more) if more[key]]
    if parameters:
        total = labels.c.sample_count + sa.bindparam("more")
        connection.execute(change.values(sample_count=total), parameters)


def _unchanged(row: sa.Row[Any]) -> JudgementChange:
    judgement = Judgement(decision=Decision(row.judged_decision), label=row.judged_label)
    return JudgementChange(
        sample_id=row.sample_id,
        device_id=row.device_id,
        drift_event_id=row.drift_event_id,
        before=judgement,
        after=judgement,
    )

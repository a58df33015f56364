"""The lineage of adaptations over SQLite and PostgreSQL."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.adaptations import Adaptation, AdaptationKind, AdaptationState
from tinysphere.storage.ports.adaptations import AdaptationFilter
from tinysphere.storage.ports.drift import TimeKey
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.row_parts import (
    Row,
    attributes,
    effect_from,
    effect_json,
    model_columns,
    model_from,
)
from tinysphere.storage.sql.tables_drift import adaptations
from tinysphere.storage.sql.upsert import insert_free

_COLUMNS = (
    "adaptation_id",
    "device_id",
    "drift_event_id",
    "description",
    "reason",
    "decide_time",
    "receive_time",
)


class SqlAdaptationTransaction:
    """See `tinysphere.storage.ports.adaptations.AdaptationTransaction`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, new: Sequence[Adaptation]) -> frozenset[str]:
        """See `AdaptationTransaction.add`."""
        ordered = sorted(new, key=lambda adaptation: adaptation.adaptation_id)
        return insert_free(self._connection, adaptations, [adaptation_row(one) for one in ordered])

    def lock(self, adaptation_ids: Collection[str]) -> Mapping[str, Adaptation]:
        """See `AdaptationTransaction.lock`."""
        wanted = adaptations.c.adaptation_id.in_(adaptation_ids)
        query = sa.select(adaptations).where(wanted).order_by(adaptations.c.adaptation_id).with_for_update()
        found = self._connection.execute(query).mappings()
        return {row["adaptation_id"]: _adaptation_from(row) for row in found}

    def move_on(self, moved: Sequence[Adaptation]) -> None:
        """See `AdaptationTransaction.move_on`."""
        change = sa.update(adaptations).where(adaptations.c.adaptation_id == sa.bindparam("key"))
        parameters = [{"key": one.adaptation_id, **_moving_columns(one)} for one in moved]
        if parameters:
            self._connection.execute(change, parameters)


class SqlAdaptationStore:
    """See `tinysphere.storage.ports.adaptations.AdaptationStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[SqlAdaptationTransaction]:
        """See `AdaptationStore.transaction`."""
        with self._database.transaction() as connection:
            yield SqlAdaptationTransaction(connection)

    def page(self, wanted: AdaptationFilter, *, after: TimeKey | None, limit: int) -> Sequence[Adaptation]:
        """See `AdaptationStore.page`."""
        with self._database.reading() as connection:
            found = connection.execute(adaptation_page(wanted, after=after, limit=limit)).mappings()
            return [_adaptation_from(row) for row in found]


def adaptation_page(wanted: AdaptationFilter, *, after: TimeKey | None, limit: int) -> sa.Select[Any]:
    """Newest first; it starts in an index at its key and reads no row that it does not return."""
    key = (adaptations.c.receive_time, adaptations.c.adaptation_id)
    query = sa.select(adaptations).order_by(*(column.desc() for column in key)).limit(limit)
    for name in ("device_id", "drift_event_id"):
        if value := getattr(wanted, name):
            query = query.where(adaptations.c[name] == value)
    if after is not None:
        query = query.where(sa.tuple_(*key) < sa.tuple_(*after, types=[column.type for column in key]))
    return query


def adaptation_row(adaptation: Adaptation) -> Row:
    """A row of `adaptations`."""
    return {
        **attributes(adaptation, _COLUMNS),
        **model_columns(adaptation.model),
        **_moving_columns(adaptation),
        "kind": adaptation.kind.value,
        "sample_ids": list(adaptation.sample_ids),
    }


def _moving_columns(adaptation: Adaptation) -> Row:
    return {
        "state": adaptation.state.value,
        "reason": adaptation.reason,
        "effect": effect_json(adaptation.effect) if adaptation.effect else None,
        "decide_time": adaptation.decide_time,
    }


def _adaptation_from(row: sa.RowMapping) -> Adaptation:
    return Adaptation(
        **{name: row[name] for name in _COLUMNS},
        model=model_from(row),
        kind=AdaptationKind(row["kind"]),
        state=AdaptationState(row["state"]),
        effect=effect_from(row["effect"]) if row["effect"] else None,
        sample_ids=tuple(row["sample_ids"]),
    )

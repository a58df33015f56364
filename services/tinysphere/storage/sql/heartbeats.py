"""Heartbeats: those that come at once share one transaction, since they are the most frequent of all requests."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningInsert

from tinysphere.domain.devices import Heartbeat, Mode, WaitingWork
from tinysphere.storage.ports.devices import HeartbeatAnswer
from tinysphere.storage.sql.device_rows import status_values
from tinysphere.storage.sql.metadata import UtcDateTime
from tinysphere.storage.sql.package_rows import these_devices
from tinysphere.storage.sql.tables_ingestion import COUNTERS, device_boots, devices
from tinysphere.storage.sql.upsert import greatest, insert

# Built once, like those below.
_TOUCH = (
    sa.update(devices)
    .where(devices.c.device_id.in_(these_devices))
    .values(last_contact_time=sa.bindparam("last_contact_time", type_=UtcDateTime))
    .returning(devices.c.device_id, devices.c.feedback_mark, devices.c.update_mark, devices.c.mode)
)
_SET_STATUS = sa.update(devices).where(devices.c.device_id == sa.bindparam("this_id"))


class Arrived(NamedTuple):
    """A heartbeat and when it came."""

    heartbeat: Heartbeat
    receive_time: datetime


class HeartbeatWrites:
    """The statements, for one kind of database."""

    def __init__(self, dialect_name: str) -> None:
        self._raise_counters = _raise_counters(dialect_name)

    def record(
        self, connection: sa.Connection, arrived: Sequence[Arrived]
    ) -> Sequence[HeartbeatAnswer | None]:
        """Take counters and statuses; for each the answer, None for an unknown device."""
        answers = _touch(connection, arrived)
        newest: dict[tuple[str, str], Heartbeat] = {}
        for heartbeat, _ in arrived:
            if heartbeat.device_id in answers:
                key = (heartbeat.device_id, heartbeat.boot_id)
                newest[key] = max(newest.get(key, heartbeat), heartbeat, key=_sequence)
        if newest:
            self._count(connection, newest)
        return [answers.get(heartbeat.device_id) for heartbeat, _ in arrived]

    def _count(self, connection: sa.Connection, newest: Mapping[tuple[str, str], Heartbeat]) -> None:
        rows = [_counter_values(newest[key]) for key in sorted(newest)]
        counted = connection.execute(self._raise_counters, rows).all()
        statuses = [  # of those that were no sequence known before
            {"this_id": row.device_id, **status_values(newest[row.device_id, row.boot_id].status)}
            for row in counted
        ]
        if statuses:
            connection.execute(_SET_STATUS, statuses)


def _touch(connection: sa.Connection, arrived: Sequence[Arrived]) -> dict[str, HeartbeatAnswer]:
    values = {
        "these_ids": list({heartbeat.device_id for heartbeat, _ in arrived}),
        "last_contact_time": max(receive_time for _, receive_time in arrived),
    }
    return {
        row.device_id: HeartbeatAnswer(
            WaitingWork(feedback_mark=row.feedback_mark, update_mark=row.update_mark),
            Mode(row.mode) if row.mode else None,
        )
        for row in connection.execute(_TOUCH, values)
    }


def _raise_counters(dialect_name: str) -> ReturningInsert[Any]:
    """Take the counters of a boot; returns nothing when this sequence or a newer one is known."""
    statement = insert(dialect_name, device_boots)
    changes = {
        name: greatest(dialect_name, device_boots.c[name], statement.excluded[name]) for name in COUNTERS
    }
    return statement.on_conflict_do_update(
        index_elements=["device_id", "boot_id"],
        set_={"sequence": statement.excluded.sequence, **changes},
        where=statement.excluded.sequence > device_boots.c.sequence,
    ).returning(device_boots.c.device_id, device_boots.c.boot_id)


def _counter_values(heartbeat: Heartbeat) -> dict[str, Any]:
    counters = {name: getattr(heartbeat.counters, name) for name in COUNTERS}
    key = {"device_id": heartbeat.device_id, "boot_id": heartbeat.boot_id, "sequence": heartbeat.sequence}
    return key | counters


def _sequence(heartbeat: Heartbeat) -> int:
    return heartbeat.sequence

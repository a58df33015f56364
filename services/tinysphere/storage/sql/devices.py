"""Devices in SQL."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.devices import (
    Device,
    DeviceCounters,
    DeviceEdit,
    DeviceProfile,
    Heartbeat,
    WaitingWork,
)
from tinysphere.storage.group_commit import GroupCommit
from tinysphere.storage.ports.devices import HeartbeatAnswer
from tinysphere.storage.sql import device_rows as rows
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.heartbeats import Arrived, HeartbeatWrites
from tinysphere.storage.sql.tables_ingestion import COUNTERS, device_boots, device_labels, devices
from tinysphere.storage.sql.upsert import greatest, insert

_NO_COUNTERS = DeviceCounters()

HEARTBEAT_GROUP_LIMIT = 128
HEARTBEAT_WAITING_LIMIT = 1024


class SqlDeviceStore:
    """See `DeviceStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect_name
        self._writes = HeartbeatWrites(self._dialect)
        self._heartbeats: GroupCommit[Arrived, HeartbeatAnswer | None] = GroupCommit(
            self._record_all, group_limit=HEARTBEAT_GROUP_LIMIT, waiting_limit=HEARTBEAT_WAITING_LIMIT
        )
        self._raise_marks = _raise_marks(self._dialect)

    def register(self, profile: DeviceProfile, now: datetime) -> Device:
        """See `DeviceStore.register`."""
        values = rows.profile_values(profile) | {"last_contact_time": now}
        with self._database.transaction() as connection:
            before = _lock(connection, profile.device_id)
            statement = insert(self._dialect, devices).values(**values, register_time=now)
            changes: dict[str, Any] = {name: statement.excluded[name] for name in values}
            changes["mode"] = sa.func.coalesce(statement.excluded.mode, devices.c.mode)
            if before is not None and before.registered_name == profile.display_name:
                del changes["display_name"]
            connection.execute(statement.on_conflict_do_update(index_elements=["device_id"], set_=changes))
            if before is None or before.registered_labels != profile.labels:
                _replace_labels(connection, profile.device_id, profile.labels)
            return _read(connection, devices.c.device_id == profile.device_id)[0]

    def edit(self, edit: DeviceEdit) -> Device | None:
        """See `DeviceStore.edit`."""
        wanted = {"mode": edit.mode.value if edit.mode else None, "display_name": edit.display_name}
        values = {name: value for name, value in wanted.items() if value is not None}
        this = devices.c.device_id == edit.device_id
        with self._database.transaction() as connection:
            if _lock(connection, edit.device_id) is None:
                return None
            if values:
                connection.execute(sa.update(devices).where(this).values(values))
            if edit.labels is not None:
                _replace_labels(connection, edit.device_id, edit.labels)
            return _read(connection, this)[0]

    def record_heartbeat(self, heartbeat: Heartbeat, now: datetime) -> HeartbeatAnswer | None:
        """See `DeviceStore.record_heartbeat`."""
        return self._heartbeats.commit(Arrived(heartbeat, now))

    def _record_all(self, arrived: Sequence[Arrived]) -> Sequence[HeartbeatAnswer | None]:
        # The next heartbeat repeats what a power cut takes of this one.
        with self._database.transaction(durable=False) as connection:
            return self._writes.record(connection, arrived)

    def get(self, device_id: str) -> Device | None:
        """See `DeviceStore.get`."""
        with self._database.reading() as connection:
            found = _read(connection, devices.c.device_id == device_id)
        return found[0] if found else None

    def page(self, labels: Mapping[str, str], *, after: str | None, limit: int) -> list[Device]:
        """See `DeviceStore.page`."""
        wanted = [_carries(key, value) for key, value in labels.items()]
        if after is not None:
            wanted.append(devices.c.device_id > after)
        with self._database.reading() as connection:
            return _read(connection, *wanted, limit=limit)

    def announce(self, waiting_work: Mapping[str, WaitingWork]) -> list[str]:
        """See `DeviceStore.announce`."""
        with self._database.transaction() as connection:
            query = sa.select(devices.c.device_id).where(devices.c.device_id.in_(waiting_work))
            # One order of locks, so that two callers never deadlock.
            known = sorted(connection.scalars(query))
            if known:
                values = [{"this_id": key, **_mark_values(waiting_work[key])} for key in known]
                connection.execute(self._raise_marks, values)
        return sorted(set(waiting_work) - set(known))


def _raise_marks(dialect_name: str) -> sa.Update:
    marks = ("feedback_mark", "update_mark")
    larger = {
        name: greatest(dialect_name, devices.c[name], sa.bindparam(f"new_{name}", type_=sa.BigInteger))
        for name in marks
    }
    return sa.update(devices).where(devices.c.device_id == sa.bindparam("this_id")).values(larger)


def _mark_values(work: WaitingWork) -> dict[str, int]:
    return {"new_feedback_mark": work.feedback_mark, "new_update_mark": work.update_mark}


def _lock(connection: sa.Connection, device_id: str) -> sa.Row[Any] | None:
    """What a device registered last; nobody else changes it until the transaction ends."""
    query: sa.Select[Any] = sa.select(devices.c.registered_name, devices.c.registered_labels)
    return connection.execute(query.where(devices.c.device_id == device_id).with_for_update()).one_or_none()


def _replace_labels(connection: sa.Connection, device_id: str, labels: Mapping[str, str]) -> None:
    connection.execute(sa.delete(device_labels).where(device_labels.c.device_id == device_id))
    new = [{"device_id": device_id, "key": key, "value": value} for key, value in labels.items()]
    if new:
        connection.execute(sa.insert(device_labels), new)


def _carries(key: str, value: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        device_labels.c.device_id == devices.c.device_id,
        device_labels.c.key == key,
        device_labels.c.value == value,
    )


def _read(
    connection: sa.Connection, *wanted: sa.ColumnElement[bool], limit: int | None = None
) -> list[Device]:
    query = sa.select(devices).where(*wanted).order_by(devices.c.device_id).limit(limit)
    found = connection.execute(query).all()
    ids = [row.device_id for row in found]
    labels, counters = _labels_of(connection, ids), _counters_of(connection, ids)
    return [
        rows.device_from(row, labels[row.device_id], counters.get(row.device_id, _NO_COUNTERS))
        for row in found
    ]


def _labels_of(connection: sa.Connection, ids: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    query = sa.select(device_labels).where(device_labels.c.device_id.in_(ids)).order_by(device_labels.c.key)
    for row in connection.execute(query):
        found[row.device_id][row.key] = row.value
    return found


def _counters_of(connection: sa.Connection, ids: Sequence[str]) -> Mapping[str, DeviceCounters]:
    sums = [sa.func.sum(device_boots.c[name]).label(name) for name in COUNTERS]
    query = (
        sa.select(device_boots.c.device_id, *sums)
        .where(device_boots.c.device_id.in_(ids))
        .group_by(device_boots.c.device_id)
    )
    return {
        row.device_id: DeviceCounters(**{name: int(getattr(row, name)) for name in COUNTERS})
        for row in connection.execute(query)
    }

"""Devices in SQL."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningInsert

from tinysphere.domain.devices import (
    Device,
    DeviceCounters,
    DeviceProfile,
    DeviceStatus,
    Heartbeat,
    Location,
    Mode,
    ModelReference,
    Platform,
    WaitingWork,
)
from tinysphere.storage.ports.devices import HeartbeatAnswer
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_ingestion import COUNTERS, device_boots, device_labels, devices
from tinysphere.storage.sql.upsert import greatest, insert

_NO_COUNTERS = DeviceCounters()

# Built once: heartbeats are the most frequent of all requests.
_TOUCH = (
    sa.update(devices)
    .where(devices.c.device_id == sa.bindparam("this_id"))
    .returning(devices.c.feedback_mark, devices.c.update_mark, devices.c.mode)
)


class SqlDeviceStore:
    """See `DeviceStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect_name
        self._raise_counters = _raise_counters(self._dialect)
        self._raise_marks = _raise_marks(self._dialect)

    def register(self, profile: DeviceProfile, now: datetime) -> Device:
        """See `DeviceStore.register`."""
        values = _profile_values(profile) | {"last_contact_time": now}
        with self._database.transaction() as connection:
            statement = insert(self._dialect, devices).values(**values, register_time=now)
            changes: dict[str, Any] = {name: statement.excluded[name] for name in values}
            changes["mode"] = sa.func.coalesce(statement.excluded.mode, devices.c.mode)
            connection.execute(statement.on_conflict_do_update(index_elements=["device_id"], set_=changes))
            _replace_labels(connection, profile)
            return _read(connection, devices.c.device_id == profile.device_id)[0]

    def record_heartbeat(self, heartbeat: Heartbeat, now: datetime) -> HeartbeatAnswer | None:
        """See `DeviceStore.record_heartbeat`."""
        found = {"this_id": heartbeat.device_id, "last_contact_time": now}
        try:
            # The next heartbeat repeats what a power cut takes of this one.
            with self._database.transaction(durable=False) as connection:
                counted = connection.execute(self._raise_counters, _counter_values(heartbeat)).one_or_none()
                if counted is not None:  # not a sequence known before
                    found |= _status_values(heartbeat.status)
                row = connection.execute(_TOUCH, found).one()
        except sa.exc.IntegrityError:  # the counters' device does not exist
            return None
        return HeartbeatAnswer(
            WaitingWork(feedback_mark=row.feedback_mark, update_mark=row.update_mark),
            Mode(row.mode) if row.mode else None,
        )

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
    ).returning(device_boots.c.sequence)


def _counter_values(heartbeat: Heartbeat) -> dict[str, Any]:
    counters = {name: getattr(heartbeat.counters, name) for name in COUNTERS}
    key = {"device_id": heartbeat.device_id, "boot_id": heartbeat.boot_id, "sequence": heartbeat.sequence}
    return key | counters


def _replace_labels(connection: sa.Connection, profile: DeviceProfile) -> None:
    connection.execute(sa.delete(device_labels).where(device_labels.c.device_id == profile.device_id))
    rows = [
        {"device_id": profile.device_id, "key": key, "value": value} for key, value in profile.labels.items()
    ]
    if rows:
        connection.execute(sa.insert(device_labels), rows)


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
    rows = connection.execute(query).all()
    ids = [row.device_id for row in rows]
    labels, counters = _labels_of(connection, ids), _counters_of(connection, ids)
    return [_device(row, labels[row.device_id], counters.get(row.device_id, _NO_COUNTERS)) for row in rows]


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


def _profile_values(profile: DeviceProfile) -> dict[str, Any]:
    platform, location = profile.platform, profile.location
    return {
        "device_id": profile.device_id,
        "display_name": profile.display_name,
        "machine": platform.machine,
        "operating_system": platform.operating_system,
        "python_version": platform.python_version,
        "runtime": platform.runtime,
        "tinylcm_version": platform.tinylcm_version,
        "platform_memory_bytes": platform.memory_bytes,
        "latitude_deg": location.latitude_deg if location else None,
        "longitude_deg": location.longitude_deg if location else None,
        "mode": profile.mode.value if profile.mode else None,
    }


def _status_values(status: DeviceStatus) -> dict[str, Any]:
    return {
        "model_name": status.running_model.model_name,
        "model_version": status.running_model.version,
        "bundle_sha256": status.running_model.bundle_sha256,
        "feature_space": status.running_model.feature_space,
        "drifting": status.drifting,
        "quarantine_count": status.quarantine_count,
        "outbox_count": status.outbox_count,
        "outbox_bytes": status.outbox_bytes,
        "latency_ms": status.latency_ms,
        "memory_bytes": status.memory_bytes,
    }


def _device(row: sa.Row[Any], labels: Mapping[str, str], counters: DeviceCounters) -> Device:
    return Device(
        profile=DeviceProfile(
            device_id=row.device_id,
            display_name=row.display_name,
            platform=_platform(row),
            labels=labels,
            location=None
            if row.latitude_deg is None
            else Location(latitude_deg=row.latitude_deg, longitude_deg=row.longitude_deg),
            mode=Mode(row.mode) if row.mode else None,
        ),
        register_time=row.register_time,
        last_contact_time=row.last_contact_time,
        status=_status(row),
        counters=counters,
    )


def _platform(row: sa.Row[Any]) -> Platform:
    return Platform(
        machine=row.machine,
        operating_system=row.operating_system,
        python_version=row.python_version,
        runtime=row.runtime,
        tinylcm_version=row.tinylcm_version,
        memory_bytes=row.platform_memory_bytes,
    )


def _status(row: sa.Row[Any]) -> DeviceStatus:
    return DeviceStatus(
        running_model=ModelReference(
            model_name=row.model_name,
            version=row.model_version,
            bundle_sha256=row.bundle_sha256,
            feature_space=row.feature_space,
        ),
        drifting=row.drifting,
        quarantine_count=row.quarantine_count,
        outbox_count=row.outbox_count,
        outbox_bytes=row.outbox_bytes,
        latency_ms=row.latency_ms,
        memory_bytes=row.memory_bytes,
    )

"""Rows of packages and their steps: what the stores of packages, uploads and work share."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.packages import (
    EntryKind,
    Package,
    PackageDescriptor,
    PackageFormat,
    PackageState,
    PackageStep,
    StepState,
)
from tinysphere.errors import ConflictError, NotFoundError
from tinysphere.storage.sql.metadata import UtcDateTime
from tinysphere.storage.sql.tables_ingestion import devices, package_steps, packages
from tinysphere.storage.sql.upsert import insert_free

# Built once: every package is a contact. Locked in one order, so that two callers never wait for each other.
these_devices = (
    sa.select(devices.c.device_id)
    .where(devices.c.device_id.in_(sa.bindparam("these_ids", expanding=True)))
    .order_by(devices.c.device_id)
    .with_for_update()
)
_TOUCH = (
    sa.update(devices)
    .where(devices.c.device_id.in_(these_devices))
    .values(last_contact_time=sa.bindparam("last_contact_time", type_=UtcDateTime))
    .returning(devices.c.device_id)
)
_NEWEST_FIRST = (packages.c.receive_time.desc(), packages.c.package_id.desc())
_WITH_LOCK = (
    sa.select(packages)
    .where(packages.c.package_id.in_(sa.bindparam("these_ids", expanding=True)))
    .order_by(packages.c.package_id)
    .with_for_update()
)


def require_device(connection: sa.Connection, device_id: str) -> None:
    """Raise NotFoundError/DEVICE_NOT_FOUND for an unknown device."""
    found = connection.scalar(sa.select(devices.c.device_id).where(devices.c.device_id == device_id))
    if found is None:
        raise unknown_device(device_id)


def touch_device(connection: sa.Connection, device_id: str, now: datetime) -> None:
    """Note a contact.

    Raises:
        NotFoundError: DEVICE_NOT_FOUND.
    """
    if not touch_devices(connection, [device_id], now):
        raise unknown_device(device_id)


def touch_devices(connection: sa.Connection, device_ids: Collection[str], now: datetime) -> set[str]:
    """Note contacts, and lock their rows; returns those of the ids that are known."""
    return set(connection.scalars(_TOUCH, {"these_ids": list(device_ids), "last_contact_time": now}))


def known_package(connection: sa.Connection, descriptor: PackageDescriptor) -> Package | None:
    """The package of that id.

    Raises:
        ConflictError: PACKAGE_CONFLICT, the id is taken by other content.
    """
    package = read_package(connection, descriptor.package_id)
    if package is not None and not package.descriptor.same_content(descriptor):
        raise conflict(descriptor.package_id)
    return package


def insert_package(
    connection: sa.Connection, descriptor: PackageDescriptor, state: PackageState, now: datetime
) -> None:
    """Add a package.

    Raises:
        ConflictError: PACKAGE_CONFLICT, another device was faster.
    """
    row = descriptor_values(descriptor) | {"state": state.value, "receive_time": now}
    if not insert_free(connection, packages, [row]):
        known_package(connection, descriptor)


def descriptor_values(descriptor: PackageDescriptor) -> dict[str, Any]:
    """The columns of `packages` that a device announces."""
    return {
        "package_id": descriptor.package_id,
        "device_id": descriptor.device_id,
        "format": descriptor.format.value,
        "size_bytes": descriptor.size_bytes,
        "sha256": descriptor.sha256,
        "create_time": descriptor.create_time,
    }


def commit_package(connection: sa.Connection, package_id: str, now: datetime) -> None:
    """Turn a package whose blob is stored COMMITTED and due."""
    connection.execute(
        sa.update(packages)
        .where(packages.c.package_id == package_id)
        .values(state=PackageState.COMMITTED.value, commit_time=now, due_time=now)
    )


def read_package(connection: sa.Connection, package_id: str) -> Package | None:
    """One package with its steps."""
    found = read_packages(connection, packages.c.package_id == package_id, limit=1)
    return found[0] if found else None


def read_packages(connection: sa.Connection, *wanted: sa.ColumnElement[bool], limit: int) -> list[Package]:
    """Packages with their steps, newest first."""
    query = sa.select(packages).where(*wanted).order_by(*_NEWEST_FIRST).limit(limit)
    return with_steps(connection, connection.execute(query).all())


def lock_packages(connection: sa.Connection, package_ids: Collection[str]) -> dict[str, Package]:
    """Those of the packages that are known, by id; nobody else changes them until the transaction ends."""
    rows = connection.execute(_WITH_LOCK, {"these_ids": list(package_ids)}).all()
    return {package.descriptor.package_id: package for package in with_steps(connection, rows)}


def package_of(row: sa.Row[Any], steps: Sequence[PackageStep]) -> Package:
    """The record of a row."""
    return Package(
        descriptor=PackageDescriptor(
            package_id=row.package_id,
            device_id=row.device_id,
            format=PackageFormat(row.format),
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            create_time=row.create_time,
        ),
        state=PackageState(row.state),
        receive_time=row.receive_time,
        commit_time=row.commit_time,
        process_time=row.process_time,
        error_reason=row.error_reason,
        error=row.error,
        steps=steps,
    )


def with_steps(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Package]:
    """The packages of rows, in their order."""
    steps = _steps_of(connection, [row.package_id for row in rows]) if rows else {}
    return [package_of(row, steps[row.package_id]) for row in rows]


def _steps_of(connection: sa.Connection, ids: Sequence[str]) -> Mapping[str, Sequence[PackageStep]]:
    found: defaultdict[str, list[PackageStep]] = defaultdict(list)
    query = (
        sa.select(package_steps)
        .where(package_steps.c.package_id.in_(ids))
        .order_by(package_steps.c.package_id, package_steps.c.position)
    )
    for row in connection.execute(query):
        step = PackageStep(
            kind=EntryKind(row.kind),
            state=StepState(row.state),
            error=row.error,
            record_count=row.record_count,
            attempt_count=row.attempt_count,
        )
        found[row.package_id].append(step)
    return found


def conflict(package_id: str) -> ConflictError:
    """The error."""
    return ConflictError(
        "PACKAGE_CONFLICT", f"package id {package_id} is taken by other content; make a new id"
    )


def unknown_device(device_id: str) -> NotFoundError:
    """The error."""
    return NotFoundError("DEVICE_NOT_FOUND", f"device {device_id} is unknown; register it first")

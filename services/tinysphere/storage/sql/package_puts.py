"""Packages that arrive whole: many of them, with the bytes of the small ones, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.packages import Package, PackageDescriptor, PackageState, UploadState
from tinysphere.errors import TinySphereError
from tinysphere.storage.sql.package_contents import insert_contents
from tinysphere.storage.sql.package_rows import (
    conflict,
    descriptor_values,
    lock_packages,
    touch_devices,
    unknown_device,
)
from tinysphere.storage.sql.tables_ingestion import packages, uploads
from tinysphere.storage.sql.upsert import insert_free

Outcome = Package | TinySphereError


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePut:
    """One package, and its bytes unless the blob store has them."""

    descriptor: PackageDescriptor
    content: bytes | None
    receive_time: datetime


def put_packages(connection: sa.Connection, puts: Sequence[PackagePut]) -> list[Outcome]:
    """Take packages over.

    Returns:
        For each its receipt, or what is wrong with it. One that was taken before stays as it is.
    """
    outcomes: dict[int, Outcome] = {}
    while left := [number for number in range(len(puts)) if number not in outcomes]:
        # Those of one id follow each other: the second finds what the first left.
        firsts = {puts[number].descriptor.package_id: number for number in reversed(left)}
        found = _put_distinct(connection, {key: puts[number] for key, number in firsts.items()})
        outcomes |= {firsts[package_id]: outcome for package_id, outcome in found.items()}
    return [outcomes[number] for number in range(len(puts))]


def _put_distinct(connection: sa.Connection, puts: Mapping[str, PackagePut]) -> dict[str, Outcome]:
    """Take packages of different ids over. One whose id another transaction took meanwhile is left out."""
    device_ids = touch_devices(
        connection,
        {put.descriptor.device_id for put in puts.values()},
        max(put.receive_time for put in puts.values()),
    )
    known = lock_packages(connection, puts.keys())
    settled, begun, new = dict[str, Outcome](), dict[str, PackagePut](), dict[str, PackagePut]()
    for package_id, put in puts.items():
        package = known.get(package_id)
        if put.descriptor.device_id not in device_ids:
            settled[package_id] = unknown_device(put.descriptor.device_id)
        elif package is None:
            new[package_id] = put
        elif not package.descriptor.same_content(put.descriptor):
            settled[package_id] = conflict(package_id)
        elif package.state is PackageState.UPLOADING:
            begun[package_id] = put
        else:
            settled[package_id] = package
    taken = begun | _inserted(connection, new)
    insert_contents(connection, {key: put.content for key, put in taken.items() if put.content is not None})
    _finish(connection, begun)
    return settled | {package_id: _committed(known.get(package_id), put) for package_id, put in taken.items()}


def _inserted(connection: sa.Connection, new: Mapping[str, PackagePut]) -> dict[str, PackagePut]:
    # In one order, as everywhere: two transactions never wait for each other's rows.
    rows = [
        descriptor_values(put.descriptor)
        | {
            "state": PackageState.COMMITTED.value,
            "receive_time": put.receive_time,
            "commit_time": put.receive_time,
            "due_time": put.receive_time,
        }
        for _, put in sorted(new.items())
    ]
    return {package_id: new[package_id] for package_id in insert_free(connection, packages, rows)}


def _finish(connection: sa.Connection, begun: Mapping[str, PackagePut]) -> None:
    """Packages whose resumable upload had begun: it is over, too."""
    for package_id, put in sorted(begun.items()):
        connection.execute(
            sa.update(packages)
            .where(packages.c.package_id == package_id)
            .values(
                state=PackageState.COMMITTED.value, commit_time=put.receive_time, due_time=put.receive_time
            )
        )
        connection.execute(
            sa.update(uploads)
            .where(uploads.c.package_id == package_id, uploads.c.state == UploadState.ACTIVE.value)
            .values(state=UploadState.FINISHED.value, committed_offset=uploads.c.size_bytes)
        )


def _committed(before: Package | None, put: PackagePut) -> Package:
    package = before or Package(
        descriptor=put.descriptor,
        state=PackageState.UPLOADING,
        receive_time=put.receive_time,
        steps=[],  # as a row without steps is read
    )
    return replace(package, state=PackageState.COMMITTED, commit_time=put.receive_time)

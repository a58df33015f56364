"""Uploads in SQL."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.packages import Package, PackageDescriptor, PackageState, Upload, UploadState
from tinysphere.errors import ExhaustedError
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.package_rows import (
    commit_package,
    insert_package,
    known_package,
    read_package,
    touch_device,
)
from tinysphere.storage.sql.tables_ingestion import packages, uploads

QUOTA_RETRY_AFTER_S = 60.0

_ACTIVE = uploads.c.state == UploadState.ACTIVE.value
_SET_OFFSET = sa.update(uploads).where(uploads.c.upload_id == sa.bindparam("this_id"), _ACTIVE)


class SqlUploadStore:
    """See `UploadStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, descriptor: PackageDescriptor, new: Upload, *, quota_bytes: int, now: datetime) -> Upload:
        """See `UploadStore.open`."""
        with self._database.transaction() as connection:
            # Locks the device's row: two openings of one device follow each other.
            touch_device(connection, descriptor.device_id, now)
            package = known_package(connection, descriptor)
            found = _latest(connection, descriptor.package_id)
            if package is not None and found is not None:
                return found
            if package is None:
                _check_quota(connection, descriptor, quota_bytes)
                insert_package(connection, descriptor, PackageState.UPLOADING, now)
            else:  # it came by PutPackage
                new = _finished(new)
            connection.execute(sa.insert(uploads).values(**_values(new)))
            return new

    def get(self, upload_id: str) -> Upload | None:
        """See `UploadStore.get`."""
        with self._database.reading() as connection:
            return _read(connection, upload_id)

    def set_offset(self, upload_id: str, committed_offset: int, expire_time: datetime) -> bool:
        """See `UploadStore.set_offset`."""
        values = {"this_id": upload_id, "committed_offset": committed_offset, "expire_time": expire_time}
        with self._database.transaction() as connection:
            return connection.execute(_SET_OFFSET, values).rowcount == 1

    def finish(self, upload_id: str, now: datetime) -> Package | None:
        """See `UploadStore.finish`."""
        with self._database.transaction() as connection:
            upload = _read(connection, upload_id)
            if upload is None:
                return None
            touch_device(connection, upload.device_id, now)  # first, as everywhere: one order of locks
            upload = _read(connection, upload_id, for_update=True)
            if upload is None or upload.state not in (UploadState.ACTIVE, UploadState.FINISHED):
                return None
            if upload.state is UploadState.ACTIVE:
                _set(
                    connection,
                    upload_id,
                    state=UploadState.FINISHED.value,
                    committed_offset=upload.size_bytes,
                )
                commit_package(connection, upload.package_id, now)
            return read_package(connection, upload.package_id)

    def close(self, upload_id: str, state: UploadState) -> Upload | None:
        """See `UploadStore.close`."""
        with self._database.transaction() as connection:
            upload = _read(connection, upload_id, for_update=True)
            if upload is None or upload.state is not UploadState.ACTIVE:
                return upload
            _set(connection, upload_id, state=state.value, committed_offset=0)
            connection.execute(sa.delete(packages).where(packages.c.package_id == upload.package_id))
            return _read(connection, upload_id)

    def active_ids(self) -> set[str]:
        """See `UploadStore.active_ids`."""
        with self._database.reading() as connection:
            return set(connection.scalars(sa.select(uploads.c.upload_id).where(_ACTIVE)))

    def expired_ids(self, now: datetime, limit: int) -> Sequence[str]:
        """See `UploadStore.expired_ids`."""
        query = sa.select(uploads.c.upload_id).where(_ACTIVE, uploads.c.expire_time <= now)
        with self._database.reading() as connection:
            return connection.scalars(query.order_by(uploads.c.expire_time).limit(limit)).all()

    def forget(self, before: datetime) -> int:
        """See `UploadStore.forget`."""
        statement = sa.delete(uploads).where(~_ACTIVE, uploads.c.expire_time < before)
        with self._database.transaction() as connection:
            return connection.execute(statement).rowcount


def _latest(connection: sa.Connection, package_id: str) -> Upload | None:
    """The active or finished upload of a package."""
    useful = uploads.c.state.in_([UploadState.ACTIVE.value, UploadState.FINISHED.value])
    query = sa.select(uploads).where(uploads.c.package_id == package_id, useful)
    row = connection.execute(query.order_by(uploads.c.upload_id.desc()).limit(1)).one_or_none()
    return None if row is None else _upload(row)


def _check_quota(connection: sa.Connection, descriptor: PackageDescriptor, quota_bytes: int) -> None:
    query = sa.select(sa.func.coalesce(sa.func.sum(uploads.c.size_bytes), 0))
    open_bytes = connection.execute(
        query.where(uploads.c.device_id == descriptor.device_id, _ACTIVE)
    ).scalar_one()
    if open_bytes + descriptor.size_bytes > quota_bytes:
        raise ExhaustedError(
            "UPLOAD_QUOTA_EXCEEDED",
            f"unfinished uploads of {descriptor.device_id} announce {open_bytes} bytes; at most {quota_bytes}",
            retry_after_s=QUOTA_RETRY_AFTER_S,
        )


def _read(connection: sa.Connection, upload_id: str, *, for_update: bool = False) -> Upload | None:
    query = sa.select(uploads).where(uploads.c.upload_id == upload_id)
    row = connection.execute(query.with_for_update() if for_update else query).one_or_none()
    return None if row is None else _upload(row)


def _set(connection: sa.Connection, upload_id: str, **values: object) -> None:
    connection.execute(sa.update(uploads).where(uploads.c.upload_id == upload_id).values(**values))


def _finished(upload: Upload) -> Upload:
    return replace(upload, state=UploadState.FINISHED, committed_offset=upload.size_bytes)


def _values(upload: Upload) -> dict[str, Any]:
    return asdict(upload) | {"state": upload.state.value}


def _upload(row: sa.Row[Any]) -> Upload:
    return Upload(
        upload_id=row.upload_id,
        package_id=row.package_id,
        device_id=row.device_id,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        state=UploadState(row.state),
        committed_offset=row.committed_offset,
        expire_time=row.expire_time,
    )

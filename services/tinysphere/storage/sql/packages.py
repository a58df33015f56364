"""Packages in SQL, from announcement to receipt."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.packages import (
    Package,
    PackageDescriptor,
    PackageState,
    StepState,
)
from tinysphere.errors import PreconditionError
from tinysphere.storage.group_commit import GroupCommit
from tinysphere.storage.ports.packages import PackageFilter
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.package_puts import Outcome, PackagePut, put_packages
from tinysphere.storage.sql.package_rows import (
    known_package,
    read_package,
    read_packages,
    require_device,
)
from tinysphere.storage.sql.tables_ingestion import package_steps, packages

PUT_GROUP_LIMIT = 64  # with their small contents 4 MiB
PUT_WAITING_LIMIT = 1024


class SqlPackageStore:
    """See `PackageStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._puts: GroupCommit[PackagePut, Package] = GroupCommit(
            self._put_all, group_limit=PUT_GROUP_LIMIT, waiting_limit=PUT_WAITING_LIMIT
        )

    def find(self, descriptor: PackageDescriptor) -> Package | None:
        """See `PackageStore.find`."""
        with self._database.reading() as connection:
            require_device(connection, descriptor.device_id)
            return known_package(connection, descriptor)

    def get(self, package_id: str) -> Package | None:
        """See `PackageStore.get`."""
        with self._database.reading() as connection:
            return read_package(connection, package_id)

    def held(self, device_id: str, digests: Sequence[str]) -> set[str]:
        """See `PackageStore.held`."""
        with self._database.reading() as connection:
            require_device(connection, device_id)
            found = connection.scalars(
                sa.select(packages.c.sha256)
                .where(packages.c.device_id == device_id, packages.c.sha256.in_(digests))
                .where(packages.c.state != PackageState.UPLOADING.value)
            )
            return set(found)

    def page(self, wanted: PackageFilter, *, after: tuple[datetime, str] | None, limit: int) -> list[Package]:
        """See `PackageStore.page`."""
        conditions: list[sa.ColumnElement[bool]] = []
        if wanted.device_id is not None:
            conditions.append(packages.c.device_id == wanted.device_id)
        if wanted.state is not None:
            conditions.append(packages.c.state == wanted.state.value)
        if after is not None:
            key = sa.tuple_(packages.c.receive_time, packages.c.package_id)
            conditions.append(key < sa.tuple_(*after))
        with self._database.reading() as connection:
            return read_packages(connection, *conditions, limit=limit)

    def put(self, descriptor: PackageDescriptor, now: datetime, *, content: bytes | None = None) -> Package:
        """See `PackageStore.put`."""
        return self._puts.commit(PackagePut(descriptor=descriptor, content=content, receive_time=now))

    def retry(self, package_id: str, now: datetime) -> Package | None:
        """See `PackageStore.retry`."""
        with self._database.transaction() as connection:
            state = connection.scalar(
                sa.select(packages.c.state).where(packages.c.package_id == package_id).with_for_update()
            )
            if state is None:
                return None
            if state != PackageState.FAILED.value:
                raise PreconditionError("PACKAGE_NOT_FAILED", f"package {package_id} is {state}, not FAILED")
            _make_due_again(connection, package_id, now)
            return read_package(connection, package_id)

    def _put_all(self, puts: Sequence[PackagePut]) -> Sequence[Outcome]:
        with self._database.transaction() as connection:
            return put_packages(connection, puts)


def _make_due_again(connection: sa.Connection, package_id: str, now: datetime) -> None:
    connection.execute(
        sa.update(package_steps)
        .where(package_steps.c.package_id == package_id, package_steps.c.state == StepState.FAILED.value)
        .values(state=StepState.PENDING.value, error="")
    )
    connection.execute(
        sa.update(packages)
        .where(packages.c.package_id == package_id)
        .values(
            state=PackageState.COMMITTED.value,
            error_reason="",
            error="",
            due_time=now,
            claim_id=None,
            delay_count=0,
            crash_count=0,
        )
    )

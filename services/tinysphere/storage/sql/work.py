"""Packages as work, in SQL.

No commit here waits for the disk: what a power cut takes is work done again, to the same effect.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.packages import EntryKind, PackageState, PackageStep, StepState
from tinysphere.errors import SupersededError
from tinysphere.storage.ports.packages import Claim, WholePackage
from tinysphere.storage.ports.telemetry import METRIC_NAMES_MAX
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_ingestion import package_steps, packages
from tinysphere.storage.sql.work_claims import claim_due, due_packages
from tinysphere.storage.sql.work_endings import complete_whole

# Built once: every large package needs each of them.
_HOLD = (
    sa.select(packages.c.package_id)
    .where(
        packages.c.package_id == sa.bindparam("this_id"), packages.c.claim_id == sa.bindparam("this_claim_id")
    )
    .with_for_update()
)
_RECORD = (
    sa.update(package_steps)
    .where(
        package_steps.c.package_id == sa.bindparam("this_id"),
        package_steps.c.kind == sa.bindparam("this_kind"),
    )
    .values(
        state=sa.bindparam("state"),
        error=sa.bindparam("error"),
        attempt_count=sa.bindparam("attempt_count"),
        # What a step took over before it failed is noted already, by those who took it.
        record_count=sa.func.coalesce(
            sa.bindparam("taken_count", type_=sa.BigInteger), package_steps.c.record_count
        ),
    )
)
_COUNT_UNFINISHED = sa.select(sa.func.count()).where(
    package_steps.c.package_id == sa.bindparam("this_id"), package_steps.c.state != StepState.SUCCEEDED.value
)


class SqlWorkStore:
    """See `WorkStore`."""

    def __init__(self, database: Database, *, metric_names_max: int = METRIC_NAMES_MAX) -> None:
        self._database = database
        self._metric_names_max = metric_names_max

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """See `WorkStore.due`."""
        with self._database.reading() as connection:
            return [row.package_id for row in due_packages(connection, now, limit)]

    def claim(
        self,
        claim_id: str,
        *,
        now: datetime,
        lease_time: datetime,
        package_id: str | None = None,
        limit: int = 1,
    ) -> Sequence[Claim]:
        """See `WorkStore.claim`."""
        with self._database.reading() as connection:  # looking must not hold up writers
            if not due_packages(connection, now, 1, package_id=package_id):
                return ()
        with self._database.transaction(durable=False) as connection:
            return claim_due(
                connection, claim_id, now=now, lease_time=lease_time, package_id=package_id, limit=limit
            )

    def renew(self, claim: Claim, *, lease_time: datetime) -> None:
        """See `WorkStore.renew`."""
        with self._database.transaction(durable=False) as connection:
            _update(connection, claim, due_time=lease_time)

    def add_steps(self, claim: Claim, kinds: Sequence[EntryKind]) -> None:
        """See `WorkStore.add_steps`."""
        rows = [
            {
                "package_id": _id(claim),
                "kind": kind.value,
                "position": position,
                "state": StepState.PENDING.value,
            }
            for position, kind in enumerate(kinds)
        ]
        with self._database.transaction(durable=False) as connection:
            _hold(connection, claim)
            if rows:
                connection.execute(sa.insert(package_steps), rows)

    def record_steps(self, claim: Claim, steps: Sequence[PackageStep]) -> None:
        """See `WorkStore.record_steps`."""
        with self._database.transaction(durable=False) as connection:
            _hold(connection, claim)
            _record(connection, claim, steps)

    def put_off(self, claim: Claim, *, due_time: datetime) -> None:
        """See `WorkStore.put_off`."""
        with self._database.transaction(durable=False) as connection:
            _update(
                connection,
                claim,
                state=PackageState.COMMITTED.value,
                due_time=due_time,
                claim_id=None,
                delay_count=packages.c.delay_count + 1,
                crash_count=0,
            )

    def give_back(self, claims: Sequence[Claim], *, now: datetime) -> None:
        """See `WorkStore.give_back`."""
        with self._database.transaction(durable=False) as connection:
            for claim in claims:
                change = sa.update(packages).where(*_held(claim))
                connection.execute(
                    change.values(state=PackageState.COMMITTED.value, due_time=now, claim_id=None)
                )

    def complete_whole(self, packages: Sequence[WholePackage], *, now: datetime) -> Sequence[Claim]:
        """See `WorkStore.complete_whole`."""
        with self._database.transaction(durable=False) as connection:
            return complete_whole(connection, packages, now=now, metric_names_max=self._metric_names_max)

    def complete(self, claim: Claim, steps: Sequence[PackageStep], *, now: datetime) -> None:
        """See `WorkStore.complete`."""
        with self._database.transaction(durable=False) as connection:
            _hold(connection, claim)
            _record(connection, claim, steps)
            if connection.execute(_COUNT_UNFINISHED, {"this_id": _id(claim)}).scalar_one():
                _end(connection, claim, state=PackageState.FAILED.value)
            else:
                _end(connection, claim, state=PackageState.PROCESSED.value, process_time=now)

    def refuse(self, claim: Claim, *, reason: str, error: str) -> None:
        """See `WorkStore.refuse`."""
        with self._database.transaction(durable=False) as connection:
            _end(connection, claim, state=PackageState.FAILED.value, error_reason=reason, error=error)


def _record(connection: sa.Connection, claim: Claim, steps: Sequence[PackageStep]) -> None:
    rows = [
        {
            "this_id": _id(claim),
            "this_kind": step.kind.value,
            "state": step.state.value,
            "error": step.error,
            "attempt_count": step.attempt_count,
            "taken_count": None if step.state is StepState.FAILED else step.record_count,
        }
        for step in steps
    ]
    if rows:
        connection.execute(_RECORD, rows)


def _end(connection: sa.Connection, claim: Claim, **values: object) -> None:
    _update(connection, claim, due_time=None, claim_id=None, **values)


def _hold(connection: sa.Connection, claim: Claim) -> None:
    """Lock the claimed package's row."""
    if connection.scalar(_HOLD, {"this_id": _id(claim), "this_claim_id": claim.claim_id}) is None:
        raise _lost(claim)


def _update(connection: sa.Connection, claim: Claim, **values: object) -> None:
    if connection.execute(sa.update(packages).where(*_held(claim)).values(**values)).rowcount == 0:
        raise _lost(claim)


def _held(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    return packages.c.package_id == _id(claim), packages.c.claim_id == claim.claim_id


def _id(claim: Claim) -> str:
    return claim.package.descriptor.package_id


def _lost(claim: Claim) -> SupersededError:
    return SupersededError("CLAIM_LOST", f"another worker holds package {_id(claim)}")

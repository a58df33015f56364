"""Packages that were processed whole: their steps, their records and their end, inside one transaction for all."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.packages import PackageState
from tinysphere.storage.ports.packages import Claim, WholePackage
from tinysphere.storage.sql.metadata import UtcDateTime
from tinysphere.storage.sql.row_parts import Row
from tinysphere.storage.sql.tables_ingestion import package_steps, packages
from tinysphere.storage.sql.telemetry_writes import write_records

# Built once: every group needs each of them.
_THESE = packages.c.package_id.in_(sa.bindparam("these_ids", expanding=True))
_HELD = (
    sa.select(packages.c.package_id, packages.c.claim_id)
    .where(_THESE)
    .order_by(packages.c.package_id)
    .with_for_update()
)
_END = (
    sa.update(packages)
    .where(_THESE)
    .values(
        state=PackageState.PROCESSED.value,
        process_time=sa.bindparam("now", type_=UtcDateTime),
        due_time=None,
        claim_id=None,
    )
)
_ADD_STEPS = sa.insert(package_steps)


def complete_whole(
    connection: sa.Connection, whole: Sequence[WholePackage], *, now: datetime, metric_names_max: int
) -> Sequence[Claim]:
    """See `WorkStore.complete_whole`."""
    ids = [_id(package) for package in whole]
    claims = {row.package_id: row.claim_id for row in connection.execute(_HELD, {"these_ids": ids})}
    held = [package for package in whole if claims.get(_id(package)) == package.claim.claim_id]
    lost = [package.claim for package in whole if claims.get(_id(package)) != package.claim.claim_id]
    if steps := [row for package in held for row in _step_rows(package)]:
        connection.execute(_ADD_STEPS, steps)
    write_records(connection, [package.records for package in held], names_max=metric_names_max)
    if held:
        connection.execute(_END, {"these_ids": [_id(package) for package in held], "now": now})
    return lost


def _id(package: WholePackage) -> str:
    return package.claim.package.descriptor.package_id


def _step_rows(package: WholePackage) -> list[Row]:
    return [
        {
            "package_id": _id(package),
            "kind": step.kind.value,
            "position": position,
            "state": step.state.value,
            "error": step.error,
            "record_count": step.record_count,
            "attempt_count": step.attempt_count,
        }
        for position, step in enumerate(package.steps)
    ]

"""Taking packages that are due, one or several at once, inside somebody's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.packages import PackageState
from tinysphere.storage.ports.packages import SMALL_BYTES, Claim
from tinysphere.storage.sql.metadata import UtcDateTime
from tinysphere.storage.sql.package_rows import with_steps
from tinysphere.storage.sql.tables_ingestion import packages

_PROCESSING = PackageState.PROCESSING.value

# Built once: every package needs each of them.
_DUE = (
    sa.select(packages.c.package_id, packages.c.size_bytes, packages.c.state, packages.c.crash_count)
    .where(packages.c.due_time <= sa.bindparam("now", type_=UtcDateTime))
    .order_by(packages.c.due_time, packages.c.package_id)
    .limit(sa.bindparam("most"))
)
_THIS = _DUE.where(packages.c.package_id == sa.bindparam("this_id"))
_CLAIM = (
    sa.update(packages)
    .where(packages.c.package_id.in_(sa.bindparam("these_ids", expanding=True)))
    .values(
        # A package found PROCESSING was left by a worker that ended without a word.
        crash_count=packages.c.crash_count + sa.case((packages.c.state == _PROCESSING, 1), else_=0),
        state=_PROCESSING,
        due_time=sa.bindparam("lease_time"),
        claim_id=sa.bindparam("new_claim_id"),
    )
    .returning(packages)
)


def due_packages(
    connection: sa.Connection,
    now: datetime,
    limit: int,
    *,
    package_id: str | None = None,
    for_update: bool = False,
) -> Sequence[Any]:
    """What is due, longest first, or only that package; locked and without what others hold, if wanted."""
    query, wanted = (_DUE, {}) if package_id is None else (_THIS, {"this_id": package_id})
    if for_update:
        query = query.with_for_update(skip_locked=True)
    return connection.execute(query, {"now": now, "most": limit, **wanted}).all()


def claim_due(
    connection: sa.Connection,
    claim_id: str,
    *,
    now: datetime,
    lease_time: datetime,
    package_id: str | None,
    limit: int,
) -> Sequence[Claim]:
    """See `WorkStore.claim`."""
    rows = list(due_packages(connection, now, limit, package_id=package_id, for_update=True))
    if package_id is not None and limit > 1 and rows and _goes_with_others(rows[0]):
        others = due_packages(connection, now, limit, for_update=True)
        rows += [row for row in others if row.package_id != package_id]
    if rows and not _goes_with_others(rows[0]):
        ids = [rows[0].package_id]
    else:
        ids = [row.package_id for row in rows if _goes_with_others(row)][:limit]
    if not ids:
        return ()
    new = {"these_ids": ids, "lease_time": lease_time, "new_claim_id": claim_id}
    claimed = {row.package_id: row for row in connection.execute(_CLAIM, new)}
    order = [claimed[found] for found in ids]
    return [
        Claim(claim_id=claim_id, package=package, delay_count=row.delay_count, crash_count=row.crash_count)
        for row, package in zip(order, with_steps(connection, order), strict=True)
    ]


def _goes_with_others(row: Any) -> bool:
    is_suspect = row.crash_count > 0 or row.state == _PROCESSING
    return row.size_bytes <= SMALL_BYTES and not is_suspect

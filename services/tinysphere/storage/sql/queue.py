"""The review queue over SQLite and PostgreSQL.

Two reviewers never get one sample: entries that another request is looking at are passed over (SKIP LOCKED), and
a lease is taken by an upsert that leaves a running one of somebody else alone. SQLite has one writer at a time.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.drift import Decision
from tinysphere.domain.queue import QueueFilter, SampleLease
from tinysphere.domain.review import QueueOrder
from tinysphere.storage.ports.queue import LeaseRequest
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift_rows import sample_from
from tinysphere.storage.sql.tables_drift import drift_event_progress, samples, verdicts
from tinysphere.storage.sql.tables_queue import queue_entries, queue_sizes, sample_leases, sample_skips
from tinysphere.storage.sql.upsert import insert, insert_free

# Each round sees what the one before lost to somebody else, so a second is rare.
MAX_ROUNDS = 8

Query = sa.Select[Any]

_NO_OPINION = [decision.value for decision in Decision if not decision.judges]
_SORT_COLUMNS = {
    QueueOrder.VALUE: queue_entries.c.value,
    QueueOrder.OLDEST: queue_entries.c.capture_time,
    QueueOrder.NEWEST: queue_entries.c.capture_time,
    QueueOrder.DISTANCE: queue_entries.c.distance_score,
}


class SqlQueueStore:
    """See `tinysphere.storage.ports.queue.QueueStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lease(self, request: LeaseRequest) -> Sequence[SampleLease]:
        """See `QueueStore.lease`."""
        # Leases that a power cut takes were about to expire anyway.
        with self._database.transaction(durable=False) as connection:
            taken = _renew(connection, request)
            for query in (free(request), skipped(request)):
                taken += _take(connection, query, request, limit=request.limit - len(taken))
            rows = connection.execute(sa.select(samples).where(samples.c.sample_id.in_(taken))).mappings()
            found = {row["sample_id"]: sample_from(row) for row in rows}
        return [SampleLease(sample=found[key], expire_time=request.expire_time) for key in taken]

    def release(self, reviewer: str, sample_ids: Collection[str], *, skip: bool, now: datetime) -> int:
        """See `QueueStore.release`."""
        with self._database.transaction() as connection:
            entries = _lock(connection, sample_ids)
            own = [sample_leases.c.sample_id.in_(entries), sample_leases.c.reviewer == reviewer]
            ended = sa.delete(sample_leases).where(*own).returning(sample_leases.c.expire_time)
            released = connection.scalars(ended).all()
            if skip:
                rows = [{"sample_id": sample_id, "reviewer": reviewer} for sample_id in entries]
                insert_free(connection, sample_skips, rows)
            else:
                own = [sample_skips.c.sample_id.in_(entries), sample_skips.c.reviewer == reviewer]
                connection.execute(sa.delete(sample_skips).where(*own))
        return sum(expire_time > now for expire_time in released)

    def count(self, wanted: QueueFilter) -> int:
        """See `QueueStore.count`."""
        with self._database.reading() as connection:
            return int(connection.execute(entry_count(wanted)).scalar_one())


def held(request: LeaseRequest) -> Query:
    """What the reviewer holds already."""
    running = [sample_leases.c.reviewer == request.reviewer, sample_leases.c.expire_time > request.now]
    return _entries(request).join(sample_leases).where(*running)


def free(request: LeaseRequest) -> Query:
    """What nobody holds and the reviewer has not skipped."""
    return _entries(request).where(_is_free(request), sa.not_(_skip(request).exists()))


def skipped(request: LeaseRequest) -> Query:
    """What nobody holds and the reviewer has skipped."""
    mine = sample_skips.c.reviewer == request.reviewer
    return _entries(request).join(sample_skips).where(mine, _is_free(request))


def entry_count(wanted: QueueFilter) -> Query:
    """How many entries there are; of an event they are counted one by one."""
    if wanted.drift_event_id:
        return sa.select(sa.func.count()).select_from(queue_entries).where(*_conditions(wanted))
    total = sa.select(sa.func.coalesce(sa.func.sum(queue_sizes.c.entry_count), 0))
    return total.where(queue_sizes.c.device_id == wanted.device_id) if wanted.device_id else total


def _entries(request: LeaseRequest) -> Query:
    """Entries in order that wait for this reviewer."""
    columns = (_SORT_COLUMNS[request.order], queue_entries.c.sample_id)
    order = columns if request.order is QueueOrder.OLDEST else [column.desc() for column in columns]
    where = [*_conditions(request.wanted), _newest_decision(request.reviewer) == Decision.WITHDRAWN.value]
    if request.speaker_limit is not None:
        where.append(sa.not_(_disputed(request.speaker_limit)))
    return sa.select(queue_entries.c.sample_id).where(*where).order_by(*order)


def _conditions(wanted: QueueFilter) -> list[sa.ColumnElement[bool]]:
    if not wanted.drift_event_id:
        return [queue_entries.c.device_id == wanted.device_id] if wanted.device_id else []
    conditions = [queue_entries.c.drift_event_id == wanted.drift_event_id]
    if wanted.device_id:  # an event is one device's, so its owner is asked, and not every sample
        owners = sa.select(drift_event_progress.c.device_id)
        owner = owners.where(drift_event_progress.c.drift_event_id == wanted.drift_event_id)
        conditions.append(owner.scalar_subquery() == wanted.device_id)
    return conditions


def _newest_decision(reviewer: str) -> sa.ColumnElement[str]:
    """The reviewer's newest decision on an entry's sample; WITHDRAWN when there is none."""
    given = [verdicts.c.sample_id == queue_entries.c.sample_id, verdicts.c.reviewer == reviewer]
    newest = sa.select(verdicts.c.decision).where(*given).order_by(verdicts.c.ordinal.desc()).limit(1)
    return sa.func.coalesce(newest.scalar_subquery(), Decision.WITHDRAWN.value)


def _disputed(speaker_limit: int) -> sa.ColumnElement[bool]:
    """Whether all reviewers who are asked have spoken of an entry's sample, and disagree."""
    later = verdicts.alias("later")
    same = [later.c.sample_id == verdicts.c.sample_id, later.c.reviewer == verdicts.c.reviewer]
    superseded = sa.select(later.c.ordinal).where(*same, later.c.ordinal > verdicts.c.ordinal).exists()
    opinions = sa.select(sa.func.count()).where(
        verdicts.c.sample_id == samples.c.sample_id,
        verdicts.c.decision.not_in(_NO_OPINION),
        sa.not_(superseded),
    )
    of_entry = samples.c.sample_id == queue_entries.c.sample_id
    dispute = sa.select(samples.c.sample_id).where(of_entry, samples.c.disagree_time.is_not(None))
    return dispute.where(opinions.correlate(samples).scalar_subquery() >= speaker_limit).exists()


def _is_free(request: LeaseRequest) -> sa.ColumnElement[bool]:
    running = [
        sample_leases.c.sample_id == queue_entries.c.sample_id,
        sample_leases.c.expire_time > request.now,
    ]
    return sa.not_(sa.select(sample_leases.c.sample_id).where(*running).exists())


def _skip(request: LeaseRequest) -> Query:
    return sa.select(sample_skips.c.sample_id).where(
        sample_skips.c.sample_id == queue_entries.c.sample_id, sample_skips.c.reviewer == request.reviewer
    )


def _lock(connection: sa.Connection, sample_ids: Collection[str]) -> Sequence[str]:
    """Locks entries, in the order in which everybody does, and returns those that are there."""
    here = sa.select(queue_entries.c.sample_id).where(queue_entries.c.sample_id.in_(sample_ids))
    return connection.scalars(here.order_by(queue_entries.c.sample_id).with_for_update()).all()


def _renew(connection: sa.Connection, request: LeaseRequest) -> list[str]:
    """Leases again what the reviewer holds; here a request waits for who looks at the same entries."""
    mine = connection.scalars(held(request).limit(request.limit)).all()
    won = _upsert(connection, _lock(connection, mine), request) if mine else frozenset()
    return [sample_id for sample_id in mine if sample_id in won]


def _take(connection: sa.Connection, query: Query, request: LeaseRequest, *, limit: int) -> list[str]:
    """Leases the first entries of a query that nobody looks at; what was lost all the same is made up for."""
    taken: list[str] = []
    for _ in range(MAX_ROUNDS):
        if len(taken) >= limit:
            break
        unwatched = query.limit(limit - len(taken)).with_for_update(of=queue_entries, skip_locked=True)
        wanted = connection.scalars(unwatched).all()
        if not wanted:
            break
        won = _upsert(connection, wanted, request)
        taken += [sample_id for sample_id in wanted if sample_id in won]
    return taken


def _upsert(connection: sa.Connection, sample_ids: Sequence[str], request: LeaseRequest) -> frozenset[str]:
    rows = [
        {"sample_id": sample_id, "reviewer": request.reviewer, "expire_time": request.expire_time}
        for sample_id in sample_ids
    ]
    statement = insert(connection.dialect.name, sample_leases).values(rows)
    new = statement.excluded
    may = sa.or_(sample_leases.c.reviewer == new.reviewer, sample_leases.c.expire_time <= request.now)
    statement = statement.on_conflict_do_update(
        index_elements=["sample_id"],
        set_={"reviewer": new.reviewer, "expire_time": new.expire_time},
        where=may,
    )
    return frozenset(connection.scalars(statement.returning(sample_leases.c.sample_id)))

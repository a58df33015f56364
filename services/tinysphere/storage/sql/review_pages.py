"""Key-set pages of what reviewing lists: each starts in an index at its key, and reads about what it returns."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.drift import Decision
from tinysphere.storage.ports.drift import TimeKey
from tinysphere.storage.ports.review import AuditFilter, AuditKey
from tinysphere.storage.sql.tables_audit import audit_records
from tinysphere.storage.sql.tables_drift import samples, verdicts
from tinysphere.storage.sql.tables_review import labels

Query = sa.Select[Any]


def label_page(*, after: str | None, limit: int) -> Query:
    """In the order of their keys; `after` is one."""
    query = sa.select(labels).order_by(labels.c.label_key).limit(limit)
    return query if after is None else query.where(labels.c.label_key > after)


def disagreement_page(*, after: TimeKey | None, limit: int) -> Query:
    """Oldest first."""
    key = (samples.c.disagree_time, samples.c.sample_id)
    query = sa.select(samples).where(samples.c.disagree_time.is_not(None)).order_by(*key).limit(limit)
    if after is not None:
        query = query.where(sa.tuple_(*key) > sa.tuple_(*after, types=[column.type for column in key]))
    return query


def audit_page(wanted: AuditFilter, *, after: AuditKey | None, limit: int) -> Query:
    """Newest first; records of other services, which change no state, are left out."""
    table = audit_records
    key = (table.c.audit_time, table.c.ordinal)
    query = sa.select(table).where(table.c.from_value.is_not(None))
    if wanted.subject:
        query = query.where(table.c.subject == wanted.subject)
    if wanted.after_time is not None:
        query = query.where(table.c.audit_time >= wanted.after_time)
    if wanted.before_time is not None:
        query = query.where(table.c.audit_time < wanted.before_time)
    if after is not None:
        query = query.where(sa.tuple_(*key) < sa.tuple_(*after, types=[column.type for column in key]))
    return query.order_by(*(column.desc() for column in key)).limit(limit)


def newest_verdicts(*, after_time: datetime | None, before_time: datetime | None, limit: int) -> Query:
    """The newest verdicts of a time, newest first, with the label that each gives its sample."""
    table = verdicts
    said = sa.case(
        (table.c.decision == Decision.NOT_DRIFT.value, samples.c.predicted_label), else_=table.c.label
    )
    query = sa.select(table.c.sample_id, table.c.reviewer, table.c.decision, said.label("said"))
    query = query.join_from(table, samples)
    if after_time is not None:
        query = query.where(table.c.submit_time >= after_time)
    if before_time is not None:
        query = query.where(table.c.submit_time < before_time)
    return query.order_by(table.c.submit_time.desc(), table.c.ordinal.desc()).limit(limit)

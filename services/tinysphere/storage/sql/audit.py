"""Audit records in SQL."""

from collections.abc import Sequence
from dataclasses import fields

import sqlalchemy as sa

from tinysphere.domain.audit import AuditRecord
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.row_parts import attributes
from tinysphere.storage.sql.tables_audit import audit_records as table

_COLUMNS = tuple(field.name for field in fields(AuditRecord))


class SqlAuditSteps:
    """See `tinysphere.storage.ports.audit.AuditSteps`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, records: Sequence[AuditRecord]) -> None:
        """See `AuditSteps.add`."""
        if records:
            rows = [attributes(record, _COLUMNS) for record in records]
            self._connection.execute(sa.insert(table), rows)


class SqlAuditLog:
    """See `AuditLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: AuditRecord) -> None:
        """See `AuditLog.add`."""
        with self._database.transaction() as connection:
            SqlAuditSteps(connection).add([record])

    def newest(self, limit: int) -> Sequence[AuditRecord]:
        """See `AuditLog.newest`."""
        columns = [table.c[name] for name in _COLUMNS]
        query = sa.select(*columns).order_by(table.c.audit_time.desc(), table.c.ordinal.desc()).limit(limit)
        with self._database.reading() as connection:
            return [record_from(row) for row in connection.execute(query).mappings()]


def record_from(row: sa.RowMapping) -> AuditRecord:
    """From a row of `audit_records`."""
    return AuditRecord(**{name: row[name] for name in _COLUMNS})

"""Audit records in SQL."""

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from tinysphere.storage.ports.garbage import AuditRecord
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_audit import audit_records as table


class SqlAuditLog:
    """See `AuditLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: AuditRecord) -> None:
        """See `AuditLog.add`."""
        with self._database.transaction() as connection:
            connection.execute(sa.insert(table).values(**asdict(record)))

    def newest(self, limit: int) -> Sequence[AuditRecord]:
        """See `AuditLog.newest`."""
        columns = [table.c[name] for name in AuditRecord.__dataclass_fields__]
        query = sa.select(*columns).order_by(table.c.audit_time.desc(), table.c.ordinal.desc()).limit(limit)
        with self._database.reading() as connection:
            return [AuditRecord(**row._mapping) for row in connection.execute(query)]

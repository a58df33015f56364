"""What processed packages leave behind, in SQL.

No commit here waits for the disk. They are followed by the one that records the step, in the same log: what a
power cut takes of these, it takes of that as well, and the step runs again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.packages import LogRecord, ManifestEntry, MetricPoint, PackageDescriptor
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_ingestion import log_records, metric_points, package_files
from tinysphere.storage.sql.upsert import insert


class SqlRecordStore:
    """See `RecordStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_metrics(self, package: PackageDescriptor, points: Mapping[int, MetricPoint]) -> None:
        """See `RecordStore.add_metrics`."""
        self._add(metric_points, _numbered(package, points))

    def add_logs(self, package: PackageDescriptor, records: Mapping[int, LogRecord]) -> None:
        """See `RecordStore.add_logs`."""
        self._add(log_records, _numbered(package, records))

    def add_file(self, package: PackageDescriptor, entry: ManifestEntry) -> None:
        """See `RecordStore.add_file`."""
        row = asdict(entry) | {"package_id": package.package_id, "kind": entry.kind.value}
        self._add(package_files, [row])

    def _add(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        with self._database.transaction(durable=False) as connection:
            connection.execute(insert(connection.dialect.name, table).on_conflict_do_nothing(), rows)


def _numbered(
    package: PackageDescriptor, records: Mapping[int, MetricPoint] | Mapping[int, LogRecord]
) -> Sequence[Mapping[str, Any]]:
    owner = {"package_id": package.package_id, "device_id": package.device_id}
    return [owner | {"record_index": index} | asdict(record) for index, record in records.items()]

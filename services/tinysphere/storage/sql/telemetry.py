"""Metrics and logs of processed packages, in SQL.

No commit here waits for the disk. They are followed by the one that records the step, in the same log: what a power cut
takes of these, it takes of that as well, and the step runs again.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from tinysphere.domain.packages import EntryKind, LogRecord, MetricPoint, PackageDescriptor
from tinysphere.errors import SupersededError
from tinysphere.storage.ports.telemetry import METRIC_NAMES_MAX, DeviceRecords
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_ingestion import package_steps
from tinysphere.storage.sql.telemetry_writes import write_records

# Built once: every large package needs each of them.
_STEP = (
    package_steps.c.package_id == sa.bindparam("this_id"),
    package_steps.c.kind == sa.bindparam("this_kind"),
)
_TAKEN = sa.select(package_steps.c.record_count).where(*_STEP).with_for_update()
_NOTE = sa.update(package_steps).where(*_STEP).values(record_count=sa.bindparam("record_count"))


class SqlTelemetrySink:
    """See `TelemetrySink`."""

    def __init__(self, database: Database, *, metric_names_max: int = METRIC_NAMES_MAX) -> None:
        self._database = database
        self._metric_names_max = metric_names_max

    def add_metrics(
        self, package: PackageDescriptor, first_index: int, points: Sequence[MetricPoint]
    ) -> None:
        """See `TelemetrySink.add_metrics`."""
        records = DeviceRecords(device_id=package.device_id, points=points)
        self._add(package, EntryKind.METRICS, first_index, records)

    def add_logs(self, package: PackageDescriptor, first_index: int, records: Sequence[LogRecord]) -> None:
        """See `TelemetrySink.add_logs`."""
        self._add(
            package, EntryKind.LOGS, first_index, DeviceRecords(device_id=package.device_id, logs=records)
        )

    def _add(
        self, package: PackageDescriptor, kind: EntryKind, first_index: int, records: DeviceRecords
    ) -> None:
        """Keep those that were not taken before, and note in the same transaction that all of them are."""
        this = {"this_id": package.package_id, "this_kind": kind.value}
        next_index = first_index + len(records.points) + len(records.logs)
        with self._database.transaction(durable=False) as connection:
            taken = connection.scalar(_TAKEN, this)
            if taken is None:
                raise SupersededError("CLAIM_LOST", f"package {package.package_id} has no step {kind.value}")
            if taken < first_index:
                raise ValueError(f"expected records from {taken} on, got {first_index}")
            if taken < next_index:
                known_count = taken - first_index
                new = DeviceRecords(
                    device_id=records.device_id,
                    points=records.points[known_count:],
                    logs=records.logs[known_count:],
                )
                write_records(connection, [new], names_max=self._metric_names_max)
                connection.execute(_NOTE, this | {"record_count": next_index})

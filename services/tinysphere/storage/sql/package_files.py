"""Files of processed packages, in SQL. No commit here waits for the disk; see `telemetry`."""

from dataclasses import asdict

from tinysphere.domain.packages import ManifestEntry, PackageDescriptor
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_ingestion import package_files
from tinysphere.storage.sql.upsert import insert


class SqlFileStore:
    """See `FileStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, package: PackageDescriptor, entry: ManifestEntry) -> None:
        """See `FileStore.add`."""
        row = asdict(entry) | {"package_id": package.package_id, "kind": entry.kind.value}
        with self._database.transaction(durable=False) as connection:
            statement = insert(connection.dialect.name, package_files).on_conflict_do_nothing()
            connection.execute(statement, [row])

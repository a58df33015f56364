"""All that is stored of one device, in SQL, whichever service wrote it.

A row is a device's when it names the device, or when it names something that is the device's by the name of that
thing's key: `package_id`, `sample_id`. One name for one thing makes this a rule and not a list: a table that a later
version adds is covered without a line here.
"""

from collections.abc import Mapping

import sqlalchemy as sa

from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.labels import uncount
from tinysphere.storage.sql.sample_group_recount import groups_of_device, recount
from tinysphere.storage.sql.tables import all_tables
from tinysphere.storage.sql.tables_ingestion import devices, packages


class SqlDeviceData:
    """See `DeviceData`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, device_id: str) -> Mapping[str, int]:
        """See `DeviceData.count`."""
        with self._database.reading() as connection:
            return _filled(
                {
                    table.name: connection.execute(
                        sa.select(sa.func.count()).select_from(table).where(condition)
                    ).scalar_one()
                    for table, condition in _parts(device_id)
                }
            )

    def delete(self, device_id: str) -> Mapping[str, int]:
        """See `DeviceData.delete`."""
        with self._database.transaction() as connection:
            # Whoever adds to the device or its packages waits for us, and then finds them gone.
            for table in (devices, packages):
                key = next(iter(table.primary_key))
                connection.execute(
                    sa.select(key).where(table.c.device_id == device_id).order_by(key).with_for_update()
                ).all()
            uncount(connection, device_id)
            group_ids = groups_of_device(connection, device_id)
            deleted = _filled(
                {
                    table.name: connection.execute(sa.delete(table).where(condition)).rowcount
                    for table, condition in _parts(device_id)
                }
            )
            recount(connection, group_ids)
            return deleted


def _parts(device_id: str) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """Every table that may hold rows of the device, those that name others first, and which rows these are."""
    tables = all_tables().sorted_tables
    owned = {
        key.name: table
        for table in tables
        if "device_id" in table.c and len(table.primary_key) == 1
        for key in table.primary_key
        if key.name not in ("device_id", "ordinal") and not key.foreign_keys  # else it is another table's
    }
    parts = []
    for table in reversed(tables):
        conditions: list[sa.ColumnElement[bool]] = []
        if "device_id" in table.c:
            conditions.append(table.c.device_id == device_id)
        for name, owner in owned.items():
            if name in table.c and owner is not table:
                of_device = sa.select(owner.c[name]).where(owner.c.device_id == device_id)
                conditions.append(table.c[name].in_(of_device))
        if conditions:
            parts.append((table, sa.or_(*conditions)))
    return parts


def _filled(counts: Mapping[str, int]) -> Mapping[str, int]:
    return {name: count for name, count in counts.items() if count}

"""The settings of reviewing, one row, over SQLite and PostgreSQL."""

from datetime import timedelta

import sqlalchemy as sa

from tinysphere.domain.review import QueueOrder, ReviewSettings, VerdictPolicy
from tinysphere.storage.sql.row_parts import Row, attributes
from tinysphere.storage.sql.tables_review import review_settings as table
from tinysphere.storage.sql.upsert import insert_free

SETTINGS_ID = 1
ROW = sa.select(table).where(table.c.settings_id == SETTINGS_ID)

_COLUMNS = ("revision", "required_count", "reviewer_count", "blind", "reviewer", "update_time")


class SqlSettingsSteps:
    """See `tinysphere.storage.ports.review_settings.SettingsSteps`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def share(self) -> ReviewSettings:
        """See `SettingsSteps.share`."""
        return self._read(ROW.with_for_update(read=True))

    def lock(self) -> ReviewSettings:
        """See `SettingsSteps.lock`."""
        return self._read(ROW.with_for_update())

    def put(self, settings: ReviewSettings) -> None:
        """See `SettingsSteps.put`."""
        change = sa.update(table).where(table.c.settings_id == SETTINGS_ID)
        self._connection.execute(change.values(settings_row(settings)))

    def _read(self, query: sa.Select[tuple[object, ...]]) -> ReviewSettings:
        row = self._connection.execute(query).mappings().one_or_none()
        if row is None:  # a new server: a row that does not exist cannot be locked
            insert_free(self._connection, table, [settings_row(ReviewSettings())])
            row = self._connection.execute(query).mappings().one()
        return settings_from(row)


def settings_row(settings: ReviewSettings) -> Row:
    """The row of `review_settings`."""
    return {
        **attributes(settings, _COLUMNS),
        "settings_id": SETTINGS_ID,
        "policy": settings.policy.value,
        "adjudicators": list(settings.adjudicators),
        "lease_duration_s": settings.lease_duration.total_seconds(),
        "queue_order": settings.order.value,
    }


def settings_from(row: sa.RowMapping) -> ReviewSettings:
    """From the row of `review_settings`."""
    return ReviewSettings(
        **{name: row[name] for name in _COLUMNS},
        policy=VerdictPolicy(row["policy"]),
        adjudicators=tuple(row["adjudicators"]),
        lease_duration=timedelta(seconds=row["lease_duration_s"]),
        order=QueueOrder(row["queue_order"]),
    )

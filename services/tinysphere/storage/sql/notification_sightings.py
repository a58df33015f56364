"""What was seen at other services, over SQLite and PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.notifications import Notice, NotificationTopic, Sighting
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.notices import SqlNoticeSteps
from tinysphere.storage.sql.tables_notifications import notification_floors as floors
from tinysphere.storage.sql.tables_notifications import notification_sightings as sightings
from tinysphere.storage.sql.upsert import insert


class SqlSightingStore:
    """See `tinysphere.storage.ports.notifications.SightingStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def floor(self, topic: NotificationTopic) -> datetime | None:
        """See `SightingStore.floor`."""
        with self._database.reading() as connection:
            found: datetime | None = connection.scalar(
                sa.select(floors.c.floor).where(floors.c.topic == topic.value)
            )
            return found

    def known(self, topic: NotificationTopic) -> Mapping[str, datetime]:
        """See `SightingStore.known`."""
        with self._database.reading() as connection:
            query = sa.select(sightings.c.key, sightings.c.moment).where(sightings.c.topic == topic.value)
            return {row["key"]: row["moment"] for row in connection.execute(query).mappings()}

    def record(
        self,
        topic: NotificationTopic,
        seen: Sequence[Sighting],
        *,
        gone: Collection[str],
        notices: Sequence[Notice],
        floor: datetime,
    ) -> None:
        """See `SightingStore.record`."""
        of_topic = sightings.c.topic == topic.value
        with self._database.transaction() as connection:
            one = sa.delete(sightings).where(of_topic, sightings.c.key == sa.bindparam("gone"))
            if left := {*gone, *(sighting.key for sighting in seen)}:
                connection.execute(one, [{"gone": key} for key in sorted(left)])
            if seen:
                connection.execute(sa.insert(sightings), [_sighting_row(topic, entry) for entry in seen])
            connection.execute(sa.delete(sightings).where(of_topic, sightings.c.moment < floor))
            row = {"topic": topic.value, "floor": floor}
            statement = insert(connection.dialect.name, floors).values(row)
            connection.execute(statement.on_conflict_do_update(index_elements=["topic"], set_=row))
            SqlNoticeSteps(connection).add(notices)


def _sighting_row(topic: NotificationTopic, sighting: Sighting) -> dict[str, Any]:
    return {
        "topic": topic.value,
        "key": sighting.key,
        "device_id": sighting.device_id,
        "moment": sighting.moment,
    }

"""Rules of notifications, and deliveries, over SQLite and PostgreSQL."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.notifications import Delivery, DeliveryState, NotificationRule
from tinysphere.storage.sql import notification_rules
from tinysphere.storage.sql.audit import SqlAuditSteps
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.notification_planning import SqlPlanTransaction
from tinysphere.storage.sql.notification_rows import delivery_from
from tinysphere.storage.sql.tables_notifications import notices, notification_channels, notification_repeats
from tinysphere.storage.sql.tables_notifications import notification_deliveries as deliveries
from tinysphere.storage.sql.tables_notifications import notification_rules as rules

_PENDING = deliveries.c.state == DeliveryState.PENDING.value


class SqlNotificationStore:
    """See `tinysphere.storage.ports.notifications.NotificationStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_rule(self, rule: NotificationRule, *, maximum: int, record: AuditRecord) -> None:
        """See `NotificationStore.put_rule`."""
        with self._database.transaction() as connection:
            notification_rules.put_rule(connection, rule, maximum=maximum)
            SqlAuditSteps(connection).add([record])

    def delete_rule(self, rule_id: str, *, now: datetime, record: AuditRecord) -> None:
        """See `NotificationStore.delete_rule`."""
        with self._database.transaction() as connection:
            if notification_rules.delete_rule(connection, rule_id, now=now):
                SqlAuditSteps(connection).add([record])

    def find_rule(self, rule_id: str) -> NotificationRule | None:
        """See `NotificationStore.find_rule`."""
        with self._database.reading() as connection:
            return next(iter(notification_rules.read_rules(connection, rules.c.rule_id == rule_id)), None)

    def rules(self) -> Sequence[NotificationRule]:
        """See `NotificationStore.rules`."""
        with self._database.reading() as connection:
            return notification_rules.read_rules(connection)

    def has_notices(self) -> bool:
        """See `NotificationStore.has_notices`."""
        with self._database.reading() as connection:
            return connection.execute(sa.select(notices.c.ordinal).limit(1)).first() is not None

    @contextmanager
    def planning(self) -> Iterator[SqlPlanTransaction]:
        """See `NotificationStore.planning`."""
        with self._database.transaction() as connection:
            yield SqlPlanTransaction(connection)

    def due(self, *, now: datetime, limit: int, without: Collection[str]) -> Sequence[Delivery]:
        """See `NotificationStore.due`."""
        query = sa.select(deliveries).where(_PENDING, deliveries.c.due_time <= now)
        if without:
            query = query.where(deliveries.c.channel_id.not_in(sorted(without)))
        return self._read(query.order_by(deliveries.c.due_time, deliveries.c.ordinal).limit(limit))

    def claim(self, ordinal: int, *, now: datetime, lease_time: datetime) -> str | None:
        """See `NotificationStore.claim`."""
        with self._database.transaction() as connection:
            claimed = connection.execute(
                sa.update(deliveries)
                .where(deliveries.c.ordinal == ordinal, _PENDING, deliveries.c.due_time <= now)
                .values(due_time=lease_time, attempt_count=deliveries.c.attempt_count + 1)
                .returning(deliveries.c.channel_id)
            ).scalar_one_or_none()
            channel = notification_channels.c
            url = sa.select(channel.url).where(channel.channel_id == claimed)
            return None if claimed is None else connection.scalar(url)

    def finish(self, ordinal: int, *, error: str, now: datetime) -> None:
        """See `NotificationStore.finish`."""
        if error:
            self._change(ordinal, state=DeliveryState.FAILED.value, error=error, end_time=now)
        else:  # what an earlier attempt met stays
            self._change(ordinal, state=DeliveryState.SENT.value, end_time=now)

    def postpone(self, ordinal: int, *, error: str, due_time: datetime) -> None:
        """See `NotificationStore.postpone`."""
        self._change(ordinal, error=error, due_time=due_time)

    def get(self, ordinals: Sequence[int]) -> Sequence[Delivery]:
        """See `NotificationStore.get`."""
        wanted = sa.select(deliveries).where(deliveries.c.ordinal.in_(ordinals))
        return self._read(wanted.order_by(deliveries.c.ordinal))

    def page(self, rule_id: str, *, after: int | None, limit: int) -> Sequence[Delivery]:
        """See `NotificationStore.page`."""
        query = sa.select(deliveries).order_by(deliveries.c.ordinal.desc()).limit(limit)
        if rule_id:
            query = query.where(deliveries.c.rule_id == rule_id)
        if after is not None:
            query = query.where(deliveries.c.ordinal < after)
        return self._read(query)

    def forget(self, *, ended_before: datetime, kept_count: int, repeats_before: datetime) -> int:
        """See `NotificationStore.forget`."""
        ordinal = deliveries.c.ordinal
        newest_beyond = sa.select(ordinal).order_by(ordinal.desc()).offset(kept_count).limit(1)
        over = sa.or_(deliveries.c.end_time < ended_before, ordinal <= newest_beyond.scalar_subquery())
        with self._database.transaction() as connection:
            old = notification_repeats.c.tell_time < repeats_before
            connection.execute(sa.delete(notification_repeats).where(old))
            deleted = sa.delete(deliveries).where(deliveries.c.end_time.is_not(None), over)
            return connection.execute(deleted).rowcount

    def _change(self, ordinal: int, **values: Any) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                sa.update(deliveries).where(deliveries.c.ordinal == ordinal, _PENDING).values(values)
            )

    def _read(self, query: sa.Select[Any]) -> Sequence[Delivery]:
        with self._database.reading() as connection:
            return [delivery_from(row) for row in connection.execute(query).mappings()]

"""The steps that turn notices into deliveries, over SQLite and PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.notifications import DeliveryState, NewDelivery, Notice, NotificationRule
from tinysphere.storage.sql.notification_rows import delivery_row, notice_from
from tinysphere.storage.sql.notification_rules import read_rules
from tinysphere.storage.sql.tables_notifications import (
    notices,
    notification_deliveries,
    notification_repeats,
    notification_rules,
)
from tinysphere.storage.sql.upsert import insert


class SqlPlanTransaction:
    """See `tinysphere.storage.ports.notifications.PlanTransaction`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def take_notices(self, limit: int) -> Sequence[Notice]:
        """See `PlanTransaction.take_notices`."""
        oldest = sa.select(notices).order_by(notices.c.ordinal).limit(limit).with_for_update(skip_locked=True)
        rows = self._connection.execute(oldest).mappings().all()
        taken = [row["ordinal"] for row in rows]
        self._connection.execute(sa.delete(notices).where(notices.c.ordinal.in_(taken)))
        return [notice_from(row) for row in rows]

    def enabled_rules(self) -> Sequence[NotificationRule]:
        """See `PlanTransaction.enabled_rules`."""
        return read_rules(self._connection, notification_rules.c.enabled)

    def claim_repeat(self, rule: NotificationRule, notice: Notice, *, now: datetime) -> bool:
        """See `PlanTransaction.claim_repeat`."""
        table = notification_repeats
        row = {
            "rule_id": rule.rule_id,
            "topic": notice.topic.value,
            "repeat_key": notice.repeat_key,
            "device_id": notice.device_id,
            "tell_time": now,
        }
        statement = insert(self._connection.dialect.name, table).values(row)
        claim = statement.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={"tell_time": now, "device_id": notice.device_id},
            where=table.c.tell_time <= now - rule.repeat_interval,
        ).returning(table.c.tell_time)
        return self._connection.execute(claim).first() is not None

    def waiting_counts(self) -> Mapping[str, int]:
        """See `PlanTransaction.waiting_counts`."""
        table = notification_deliveries
        query = (
            sa.select(table.c.channel_id, sa.func.count().label("waiting_count"))
            .where(table.c.state == DeliveryState.PENDING.value)
            .group_by(table.c.channel_id)
        )
        return {row["channel_id"]: row["waiting_count"] for row in self._connection.execute(query).mappings()}

    def add_deliveries(self, deliveries: Sequence[NewDelivery]) -> Sequence[int]:
        """See `PlanTransaction.add_deliveries`."""
        if not deliveries:
            return []
        table = notification_deliveries
        added = sa.insert(table).returning(table.c.ordinal, sort_by_parameter_order=True)
        return list(self._connection.execute(added, [delivery_row(one) for one in deliveries]).scalars())

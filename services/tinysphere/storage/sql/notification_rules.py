"""Rules of notifications in SQL, with their channels."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

import sqlalchemy as sa

from tinysphere.domain.notifications import DeliveryState, NotificationRule
from tinysphere.errors import ExhaustedError
from tinysphere.storage.sql.notification_rows import channel_from, channel_row, rule_from, rule_row
from tinysphere.storage.sql.tables_notifications import notification_channels as channels
from tinysphere.storage.sql.tables_notifications import notification_deliveries as deliveries
from tinysphere.storage.sql.tables_notifications import notification_repeats as repeats
from tinysphere.storage.sql.tables_notifications import notification_rules as rules
from tinysphere.storage.sql.upsert import insert


def read_rules(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> Sequence[NotificationRule]:
    """The rules that meet the conditions, in the order of their names."""
    query = sa.select(rules).where(*conditions).order_by(rules.c.name, rules.c.rule_id)
    rows = connection.execute(query).mappings().all()
    wanted = channels.c.rule_id.in_([row["rule_id"] for row in rows])
    ordered = sa.select(channels).where(wanted).order_by(channels.c.rule_id, channels.c.position)
    found = groupby(connection.execute(ordered).mappings(), key=lambda row: row["rule_id"])
    of_rule = {rule_id: [channel_from(row) for row in group] for rule_id, group in found}
    return [rule_from(row, of_rule.get(row["rule_id"], ())) for row in rows]


def put_rule(connection: sa.Connection, rule: NotificationRule, *, maximum: int) -> None:
    """Add or replace a rule, its channels included."""
    others = connection.scalar(
        sa.select(sa.func.count()).select_from(rules).where(rules.c.rule_id != rule.rule_id)
    )
    if (others or 0) >= maximum:
        raise ExhaustedError("TOO_MANY_RULES", f"there are {maximum} rules; delete one first")
    row = rule_row(rule)
    statement = insert(connection.dialect.name, rules).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["rule_id"], set_=row))
    connection.execute(sa.delete(channels).where(channels.c.rule_id == rule.rule_id))
    connection.execute(
        sa.insert(channels),
        [channel_row(rule.rule_id, position, channel) for position, channel in enumerate(rule.channels)],
    )
    _give_up_what_was_lost(connection, rule)


def delete_rule(connection: sa.Connection, rule_id: str, *, now: datetime) -> bool:
    """Delete a rule, its channels and its repeats; whether there was one."""
    connection.execute(sa.delete(channels).where(channels.c.rule_id == rule_id))
    connection.execute(sa.delete(repeats).where(repeats.c.rule_id == rule_id))
    _give_up(connection, deliveries.c.rule_id == rule_id, error="the rule was deleted", now=now)
    return connection.execute(sa.delete(rules).where(rules.c.rule_id == rule_id)).rowcount > 0


def _give_up_what_was_lost(connection: sa.Connection, rule: NotificationRule) -> None:
    of_rule = deliveries.c.rule_id == rule.rule_id
    kept = [channel.channel_id for channel in rule.channels]
    lost = deliveries.c.channel_id.not_in(kept)
    now = rule.update_time
    _give_up(connection, of_rule, lost, error="the rule lost this channel", now=now)
    if not rule.enabled:
        _give_up(connection, of_rule, error="the rule was switched off", now=now)


def _give_up(
    connection: sa.Connection, *conditions: sa.ColumnElement[bool], error: str, now: datetime
) -> None:
    connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.state == DeliveryState.PENDING.value, *conditions)
        .values(state=DeliveryState.FAILED.value, error=error, end_time=now)
    )

"""Records of notifications as rows, and back."""

from collections.abc import Sequence
from datetime import timedelta
from enum import Enum
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.drift import DriftType, Severity
from tinysphere.domain.moments import MICROSECOND
from tinysphere.domain.notifications import (
    Channel,
    Delivery,
    DeliveryState,
    NewDelivery,
    Notice,
    NotificationRule,
    NotificationTopic,
    QuietHours,
)
from tinysphere.storage.sql.row_parts import Row, attributes

_NOTICE_COLUMNS = ("subject", "repeat_key", "device_id", "title", "body", "notice_time")
_RULE_COLUMNS = ("rule_id", "name", "enabled", "reviewer", "update_time")
_DELIVERY_COLUMNS = (
    "rule_id",
    "channel_id",
    "channel",
    "subject",
    "device_id",
    "title",
    "body",
    "error",
    "create_time",
    "due_time",
)
_LOG_COLUMNS = ("ordinal", "attempt_count", "end_time")


def notice_row(notice: Notice) -> Row:
    """A row of `notices`, without its ordinal."""
    return {
        **attributes(notice, _NOTICE_COLUMNS),
        "topic": notice.topic.value,
        "severity": _value(notice.severity),
        "type": _value(notice.type),
    }


def notice_from(row: sa.RowMapping) -> Notice:
    """From a row of `notices`."""
    return Notice(
        **{name: row[name] for name in _NOTICE_COLUMNS},
        topic=NotificationTopic(row["topic"]),
        severity=None if row["severity"] is None else Severity(row["severity"]),
        type=None if row["type"] is None else DriftType(row["type"]),
    )


def rule_row(rule: NotificationRule) -> Row:
    """A row of `notification_rules`."""
    quiet = rule.quiet_hours
    return {
        **attributes(rule, _RULE_COLUMNS),
        "topics": sorted(topic.value for topic in rule.topics),
        "types": sorted(kind.value for kind in rule.types),
        "minimum_severity": _value(rule.minimum_severity),
        "repeat_interval_us": rule.repeat_interval // MICROSECOND,
        "quiet_start_minute": quiet.start_minute if quiet else None,
        "quiet_end_minute": quiet.end_minute if quiet else None,
        "quiet_time_zone": quiet.time_zone if quiet else None,
    }


def rule_from(row: sa.RowMapping, channels: Sequence[Channel]) -> NotificationRule:
    """From a row of `notification_rules`, and the rule's channels in their order."""
    severity = row["minimum_severity"]
    return NotificationRule(
        **{name: row[name] for name in _RULE_COLUMNS},
        topics=frozenset(map(NotificationTopic, row["topics"])),
        types=frozenset(map(DriftType, row["types"])),
        minimum_severity=None if severity is None else Severity(severity),
        repeat_interval=timedelta(microseconds=row["repeat_interval_us"]),
        quiet_hours=_quiet_hours_from(row),
        channels=tuple(channels),
    )


def channel_from(row: sa.RowMapping) -> Channel:
    """From a row of `notification_channels`."""
    return Channel(channel_id=row["channel_id"], url=row["url"], shown=row["shown"])


def channel_row(rule_id: str, position: int, channel: Channel) -> Row:
    """A row of `notification_channels`."""
    return {
        **attributes(channel, ("channel_id", "url", "shown")),
        "rule_id": rule_id,
        "position": position,
    }


def delivery_row(delivery: NewDelivery) -> Row:
    """A row of `notification_deliveries`, without its ordinal; what is made as FAILED ended as it was made."""
    ended = delivery.state is not DeliveryState.PENDING
    return {
        **attributes(delivery, _DELIVERY_COLUMNS),
        "topic": _value(delivery.topic),
        "severity": _value(delivery.severity),
        "state": delivery.state.value,
        "end_time": delivery.create_time if ended else None,
    }


def delivery_from(row: sa.RowMapping) -> Delivery:
    """From a row of `notification_deliveries`."""
    return Delivery(
        **{name: row[name] for name in (*_DELIVERY_COLUMNS, *_LOG_COLUMNS)},
        topic=None if row["topic"] is None else NotificationTopic(row["topic"]),
        severity=None if row["severity"] is None else Severity(row["severity"]),
        state=DeliveryState(row["state"]),
    )


def _quiet_hours_from(row: sa.RowMapping) -> QuietHours | None:
    if row["quiet_time_zone"] is None:
        return None
    return QuietHours(
        start_minute=row["quiet_start_minute"],
        end_minute=row["quiet_end_minute"],
        time_zone=row["quiet_time_zone"],
    )


def _value(member: Enum | None) -> Any:
    return None if member is None else member.value

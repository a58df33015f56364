"""Rules and deliveries between the contract's messages and the domain's records."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tinymlops.v1 import drift_pb2, notification_pb2, notification_service_pb2
from tinysphere.domain.drift import DriftType, Severity
from tinysphere.domain.notifications import (
    MINUTES_A_DAY,
    Delivery,
    DeliveryState,
    NotificationRule,
    NotificationTopic,
    QuietHours,
)
from tinysphere.errors import InvalidFieldError
from tinysphere.notification.channel_urls import MAX_URL_CHARACTERS
from tinysphere.rpc.checks import (
    require_duration,
    require_id,
    require_length,
    require_range,
    require_text,
    shown,
)
from tinysphere.rpc.nouns import enum_number, read_enum, read_optional_enum, to_timestamp

MAX_NAME_CHARACTERS = 128
MAX_REVIEWER_CHARACTERS = 128
MAX_LOOKUP_CHARACTERS = 128
MAX_ZONE_CHARACTERS = 64
MAX_CHANNELS = 16
MAX_ENTRIES = 16  # of topics and types; there are fewer
MAX_REPEAT_INTERVAL = timedelta(days=7)


def read_rule(
    request: notification_service_pb2.PutNotificationRuleRequest, *, update_time: datetime
) -> tuple[NotificationRule, Sequence[str]]:
    """The rule of a request, and its channels as they came; raises InvalidFieldError."""
    message = request.rule
    rule = NotificationRule(
        rule_id=require_id("rule.rule_id", message.rule_id),
        name=require_text("rule.name", message.name, 1, MAX_NAME_CHARACTERS),
        enabled=message.enabled,
        topics=_read_topics(message),
        minimum_severity=read_optional_enum(
            "rule.minimum_severity", message.minimum_severity, drift_pb2.Severity, Severity
        ),
        types=_read_types(message),
        channels=(),
        repeat_interval=require_duration(
            "rule.repeat_interval", message.repeat_interval, timedelta(0), MAX_REPEAT_INTERVAL
        ),
        quiet_hours=_read_quiet_hours(message.quiet_hours) if message.HasField("quiet_hours") else None,
        reviewer=require_text("rule.reviewer", message.reviewer, 1, MAX_REVIEWER_CHARACTERS),
        update_time=update_time,
    )
    require_length("rule.channels", message.channels, 1, MAX_CHANNELS)
    return rule, [
        require_text(f"rule.channels[{index}]", url, 1, MAX_URL_CHARACTERS)
        for index, url in enumerate(message.channels)
    ]


def read_deletion(request: notification_service_pb2.DeleteNotificationRuleRequest) -> tuple[str, str]:
    """Which rule, and who deletes it; raises InvalidFieldError."""
    rule_id = require_text("rule_id", request.rule_id, 1, MAX_LOOKUP_CHARACTERS)
    return rule_id, require_text("reviewer", request.reviewer, 1, MAX_REVIEWER_CHARACTERS)


def rule_message(rule: NotificationRule) -> notification_pb2.NotificationRule:
    """The contract's message, the secrets of the channels left out."""
    message = notification_pb2.NotificationRule(
        rule_id=rule.rule_id,
        name=rule.name,
        enabled=rule.enabled,
        topics=[
            enum_number(topic, notification_pb2.NotificationTopic)
            for topic in NotificationTopic
            if topic in rule.topics
        ],
        minimum_severity=enum_number(rule.minimum_severity, drift_pb2.Severity),
        types=[enum_number(kind, drift_pb2.DriftType) for kind in DriftType if kind in rule.types],
        channels=[channel.shown for channel in rule.channels],
        quiet_hours=_quiet_hours_message(rule.quiet_hours),
        reviewer=rule.reviewer,
        update_time=to_timestamp(rule.update_time),
    )
    message.repeat_interval.FromTimedelta(rule.repeat_interval)
    return message


def delivery_message(delivery: Delivery) -> notification_pb2.NotificationDelivery:
    """The contract's message."""
    return notification_pb2.NotificationDelivery(
        ordinal=delivery.ordinal,
        rule_id=delivery.rule_id,
        topic=enum_number(delivery.topic, notification_pb2.NotificationTopic),
        subject=delivery.subject,
        title=delivery.title,
        channel=delivery.channel,
        state=_state(delivery.state),
        attempt_count=delivery.attempt_count,
        error=delivery.error,
        create_time=to_timestamp(delivery.create_time),
        end_time=to_timestamp(delivery.end_time),
    )


def _state(state: DeliveryState) -> notification_pb2.DeliveryState.ValueType:
    return enum_number(state, notification_pb2.DeliveryState)


def _read_topics(message: notification_pb2.NotificationRule) -> frozenset[NotificationTopic]:
    require_length("rule.topics", message.topics, 1, MAX_ENTRIES)
    return frozenset(
        read_enum(f"rule.topics[{index}]", number, notification_pb2.NotificationTopic, NotificationTopic)
        for index, number in enumerate(message.topics)
    )


def _read_types(message: notification_pb2.NotificationRule) -> frozenset[DriftType]:
    require_length("rule.types", message.types, 0, MAX_ENTRIES)
    return frozenset(
        read_enum(f"rule.types[{index}]", number, drift_pb2.DriftType, DriftType)
        for index, number in enumerate(message.types)
    )


def _read_quiet_hours(message: notification_pb2.QuietHours) -> QuietHours:
    field = "rule.quiet_hours"
    start = require_range(f"{field}.start_minute", message.start_minute, 0, MINUTES_A_DAY - 1)
    end = require_range(f"{field}.end_minute", message.end_minute, 0, MINUTES_A_DAY - 1)
    if start == end:
        raise InvalidFieldError(f"{field}.end_minute", "another minute than start_minute", str(end))
    return QuietHours(start_minute=start, end_minute=end, time_zone=_read_zone(message.time_zone))


def _read_zone(name: str) -> str:
    field = "rule.quiet_hours.time_zone"
    require_text(field, name, 1, MAX_ZONE_CHARACTERS)
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: the name of a folder of zones
        raise InvalidFieldError(field, "an IANA time zone, e.g. Europe/Berlin", shown(name)) from error
    return name


def _quiet_hours_message(quiet: QuietHours | None) -> notification_pb2.QuietHours | None:
    if quiet is None:
        return None
    return notification_pb2.QuietHours(
        start_minute=quiet.start_minute, end_minute=quiet.end_minute, time_zone=quiet.time_zone
    )

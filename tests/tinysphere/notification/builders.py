"""Rules and notices, to be varied by keyword."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.duration_pb2 import Duration

from tinymlops.v1 import notification_pb2, notification_service_pb2
from tinysphere.domain.drift import DriftType, Severity
from tinysphere.domain.notifications import Notice, NotificationTopic
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.notices import SqlNoticeSteps

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def uuid(number: int) -> str:
    return str(UUID(int=number << 80 | 7 << 76 | 2 << 62))


def rule_message(*channels: str, number: int = 1, **changes: Any) -> notification_pb2.NotificationRule:
    facts: dict[str, Any] = {
        "rule_id": uuid(number),
        "name": f"rule {number}",
        "enabled": True,
        "topics": [notification_pb2.NOTIFICATION_TOPIC_DRIFT_EVENT],
        "channels": channels,
        "reviewer": "ann",
    }
    return notification_pb2.NotificationRule(**{**facts, **changes})


def put(
    *channels: str, number: int = 1, **changes: Any
) -> notification_service_pb2.PutNotificationRuleRequest:
    return notification_service_pb2.PutNotificationRuleRequest(
        rule=rule_message(*channels, number=number, **changes)
    )


def hours(count: int) -> Duration:
    return Duration(seconds=3600 * count)


def notice(number: int = 1, **changes: Any) -> Notice:
    facts: dict[str, Any] = {
        "topic": NotificationTopic.DRIFT_EVENT,
        "subject": uuid(100 + number),
        "repeat_key": "camera-1/novelty",
        "device_id": "camera-1",
        "title": f"drift {number} on camera-1",
        "body": "bag moved",
        "severity": Severity.HIGH,
        "type": DriftType.KNN_DISTANCE,
        "notice_time": START,
    }
    return Notice(**{**facts, **changes})


def leave(database: Database, *notices: Notice) -> None:
    """Leave word, as any service does."""
    with database.transaction() as connection:
        SqlNoticeSteps(connection).add(notices)

"""Rules of notifications and their deliveries, asked for over gRPC."""

from __future__ import annotations

import grpc
from google.protobuf.duration_pb2 import Duration

from tinyboard.client.calls import PAGE_SIZE, Calls
from tinyboard.client.convert import moment, name_of
from tinyboard.views.notification_records import DeliveryView, QuietView, RuleView
from tinymlops.v1 import (
    drift_pb2,
    notification_pb2,
    notification_service_pb2,
    notification_service_pb2_grpc,
)

TEST_TIMEOUT_S = 40.0
"""A test answers once every channel did, which it may take 30 s for."""


class GrpcNotifications:
    """Speaks to NotificationService. Raises `HubError` from every method."""

    def __init__(self, calls: Calls, drift: grpc.Channel) -> None:
        self._calls = calls
        self._service = notification_service_pb2_grpc.NotificationServiceStub(drift)

    def rules(self) -> tuple[RuleView, ...]:
        """All rules by name."""
        request = notification_service_pb2.ListNotificationRulesRequest()
        return tuple(map(_rule_view, self._calls.one(self._service.ListNotificationRules, request).rules))

    def put(self, rule: RuleView) -> RuleView:
        """Makes or replaces a rule."""
        request = notification_service_pb2.PutNotificationRuleRequest(rule=_rule_message(rule))
        return _rule_view(self._calls.one(self._service.PutNotificationRule, request).rule)

    def delete(self, rule_id: str, *, reviewer: str) -> None:
        """Deletes a rule."""
        request = notification_service_pb2.DeleteNotificationRuleRequest(rule_id=rule_id, reviewer=reviewer)
        self._calls.one(self._service.DeleteNotificationRule, request)

    def test(self, rule_id: str) -> tuple[DeliveryView, ...]:
        """Sends a test to every channel of a rule and says how it ended."""
        request = notification_service_pb2.TestNotificationRuleRequest(rule_id=rule_id)
        answer = self._calls.one(self._service.TestNotificationRule, request, timeout_s=TEST_TIMEOUT_S)
        return tuple(map(_delivery_view, answer.deliveries))

    def deliveries(self, *, rule_id: str = "", limit: int = 100) -> tuple[DeliveryView, ...]:
        """The newest `limit` deliveries, newest first."""
        request = notification_service_pb2.ListNotificationDeliveriesRequest(
            page_size=min(limit, PAGE_SIZE), rule_id=rule_id
        )
        rows = self._calls.pages(self._service.ListNotificationDeliveries, request, "deliveries", limit)
        return tuple(map(_delivery_view, rows))


def _topic(number: int) -> str:
    return name_of(notification_pb2.NotificationTopic, "NOTIFICATION_TOPIC_", number)


def _rule_view(rule: notification_pb2.NotificationRule) -> RuleView:
    quiet = rule.quiet_hours
    return RuleView(
        rule_id=rule.rule_id,
        name=rule.name,
        enabled=rule.enabled,
        topics=tuple(map(_topic, rule.topics)),
        minimum_severity=name_of(drift_pb2.Severity, "SEVERITY_", rule.minimum_severity),
        types=tuple(name_of(drift_pb2.DriftType, "DRIFT_TYPE_", one) for one in rule.types),
        channels=tuple(rule.channels),
        repeat_s=rule.repeat_interval.seconds,
        quiet=QuietView(
            start_minute=quiet.start_minute, end_minute=quiet.end_minute, time_zone=quiet.time_zone
        )
        if rule.HasField("quiet_hours")
        else None,
        reviewer=rule.reviewer,
        update_time=moment(rule, "update_time"),
    )


def _rule_message(rule: RuleView) -> notification_pb2.NotificationRule:
    message = notification_pb2.NotificationRule(
        rule_id=rule.rule_id,
        name=rule.name,
        enabled=rule.enabled,
        topics=[
            notification_pb2.NotificationTopic.Value(f"NOTIFICATION_TOPIC_{topic}") for topic in rule.topics
        ],
        minimum_severity=drift_pb2.Severity.Value(f"SEVERITY_{rule.minimum_severity or 'UNSPECIFIED'}"),
        types=[drift_pb2.DriftType.Value(f"DRIFT_TYPE_{one}") for one in rule.types],
        channels=rule.channels,
        repeat_interval=Duration(seconds=rule.repeat_s),
        reviewer=rule.reviewer,
    )
    if rule.quiet is not None:
        message.quiet_hours.start_minute = rule.quiet.start_minute
        message.quiet_hours.end_minute = rule.quiet.end_minute
        message.quiet_hours.time_zone = rule.quiet.time_zone
    return message


def _delivery_view(delivery: notification_pb2.NotificationDelivery) -> DeliveryView:
    return DeliveryView(
        ordinal=delivery.ordinal,
        rule_id=delivery.rule_id,
        topic=_topic(delivery.topic),
        subject=delivery.subject,
        title=delivery.title,
        channel=delivery.channel,
        state=name_of(notification_pb2.DeliveryState, "DELIVERY_STATE_", delivery.state),
        attempt_count=delivery.attempt_count,
        error=delivery.error,
        create_time=moment(delivery, "create_time"),
        end_time=moment(delivery, "end_time"),
    )

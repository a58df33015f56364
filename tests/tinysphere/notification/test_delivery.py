"""From what happened to a real mailbox and a real webhook, and what channels that fail or hang do to the others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.support.receivers import Mailbox, Trickle, Webhook
from tests.support.refusals import refused
from tests.support.waiting import eventually
from tests.tinysphere.notification.builders import hours, leave, notice, put, uuid
from tests.tinysphere.notification.conftest import QUICK, Called, MovedClock
from tinymlops.v1 import drift_pb2, notification_pb2, notification_service_pb2
from tinysphere.domain.drift import DriftType, Severity
from tinysphere.domain.ids import new_id
from tinysphere.domain.notifications import NotificationTopic
from tinysphere.notification.apprise_channels import AppriseChannels
from tinysphere.notification.convert import read_rule
from tinysphere.notification.courier import Courier
from tinysphere.notification.rules import Rules
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.device_data import SqlDeviceData
from tinysphere.storage.sql.notifications import SqlNotificationStore

DRIFT = notification_pb2.NOTIFICATION_TOPIC_DRIFT_EVENT
OFFLINE = notification_pb2.NOTIFICATION_TOPIC_DEVICE_OFFLINE
PENDING = notification_pb2.DELIVERY_STATE_PENDING
SENT = notification_pb2.DELIVERY_STATE_SENT
FAILED = notification_pb2.DELIVERY_STATE_FAILED


def log(called: Called, **request: object) -> Sequence[notification_pb2.NotificationDelivery]:
    """Newest first."""
    page = notification_service_pb2.ListNotificationDeliveriesRequest(**request)
    return called.stub.ListNotificationDeliveries(page).deliveries


def ended(called: Called, count: int) -> Sequence[notification_pb2.NotificationDelivery]:
    """The log, oldest first, once so many deliveries are in it and none of them waits."""

    def look() -> Sequence[notification_pb2.NotificationDelivery]:
        called.courier.wake()
        deliveries = log(called)
        done = len(deliveries) == count and all(one.state != PENDING for one in deliveries)
        return list(deliveries)[::-1] if done else []

    return eventually(look, timeout_s=60)


def test_a_drift_reaches_a_mailbox_and_a_webhook(called: Called, mailbox: Mailbox, webhook: Webhook) -> None:
    called.stub.PutNotificationRule(put(mailbox.url, webhook.url))
    leave(called.database, notice(body="Bag moved.\nShift 2.5 sigma."))
    deliveries = ended(called, 2)
    (mail,) = mailbox.messages
    assert (mail["Subject"], mail["To"]) == ("drift 1 on camera-1", "operator@example.org")
    assert "Shift 2.5 sigma." in str(mail.get_payload(decode=True) or mail.as_string())
    (body,) = webhook.bodies
    assert (body["title"], body["message"]) == ("drift 1 on camera-1", "Bag moved.\nShift 2.5 sigma.")
    for delivery in deliveries:
        assert (delivery.state, delivery.attempt_count, delivery.error) == (SENT, 1, "")
        assert (delivery.rule_id, delivery.topic, delivery.subject) == (uuid(1), DRIFT, uuid(101))
        assert delivery.create_time.ToDatetime() <= delivery.end_time.ToDatetime()
    assert "geheim" not in str(deliveries)


def test_a_rule_hears_only_what_it_asks_for(called: Called, webhook: Webhook) -> None:
    asks = {
        "minimum_severity": drift_pb2.SEVERITY_HIGH,
        "types": [drift_pb2.DRIFT_TYPE_KNN_DISTANCE],
        "topics": [DRIFT, OFFLINE],
    }
    called.stub.PutNotificationRule(put(webhook.url, **asks))
    called.stub.PutNotificationRule(put(webhook.url, number=2, enabled=False))
    other_things = [
        notice(1, severity=Severity.MEDIUM),
        notice(2, severity=None),
        notice(3, type=DriftType.CONFIDENCE),
        notice(4, topic=NotificationTopic.SYSTEMIC_DRIFT),
        notice(5, topic=NotificationTopic.PACKAGE_FAILED, severity=None, type=None),
    ]
    offline = notice(6, topic=NotificationTopic.DEVICE_OFFLINE, severity=None, type=None)
    leave(called.database, *other_things, notice(7, severity=Severity.CRITICAL), offline)
    assert {one.subject for one in ended(called, 2)} == {uuid(106), uuid(107)}
    assert not called.store.has_notices()


def test_the_same_thing_is_told_once_in_the_interval(called: Called, webhook: Webhook) -> None:
    called.stub.PutNotificationRule(put(webhook.url, repeat_interval=hours(2)))
    called.stub.PutNotificationRule(put(webhook.url, number=2))  # tells every time
    leave(called.database, notice(1), notice(2), notice(3, repeat_key="camera-2/novelty"))
    assert [one.subject for one in ended(called, 5) if one.rule_id == uuid(1)] == [uuid(101), uuid(103)]
    called.clock.move(hours=1.9)
    leave(called.database, notice(4))
    ended(called, 6)
    called.clock.move(hours=0.2)
    leave(called.database, notice(5))
    assert [one.subject for one in ended(called, 8) if one.rule_id == uuid(1)][-1] == uuid(105)


def test_what_falls_into_quiet_hours_is_told_when_they_end(called: Called, webhook: Webhook) -> None:
    quiet = notification_pb2.QuietHours(start_minute=22 * 60, end_minute=6 * 60, time_zone="Europe/Berlin")
    called.stub.PutNotificationRule(put(webhook.url, quiet_hours=quiet))
    called.clock.set(datetime(2026, 11, 22, 23, 0, tzinfo=UTC))  # midnight in Berlin
    leave(called.database, notice(1), notice(2))
    eventually(lambda: len(log(called)) == 2)
    called.clock.set(datetime(2026, 11, 23, 4, 58, tzinfo=UTC))
    tested = called.stub.TestNotificationRule(
        notification_service_pb2.TestNotificationRuleRequest(rule_id=uuid(1))
    )
    assert [one.state for one in tested.deliveries] == [SENT]  # a test does not wait
    assert [one.state for one in log(called)] == [SENT, PENDING, PENDING]
    called.clock.set(datetime(2026, 11, 23, 5, 0, tzinfo=UTC))
    ended(called, 3)
    assert [body["title"] for body in webhook.bodies][1:] == ["drift 1 on camera-1", "drift 2 on camera-1"]


def test_a_channel_that_fails_is_tried_again_and_then_given_up(called: Called, webhook: Webhook) -> None:
    called.stub.PutNotificationRule(put(webhook.url))
    webhook.refused_count = 3 + 2
    leave(called.database, notice(1))
    (given_up,) = ended(called, 1)
    assert (given_up.state, given_up.attempt_count) == (FAILED, 3)
    assert "503" in given_up.error
    leave(called.database, notice(2))
    taken = ended(called, 2)[1]
    assert (taken.state, taken.attempt_count, taken.error) == (SENT, 3, given_up.error)
    leave(called.database, notice(3))
    assert [(one.attempt_count, one.error) for one in ended(called, 3)][2:] == [(1, "")]


def test_a_channel_that_hangs_delays_only_itself(called: Called, trickle: Trickle, webhook: Webhook) -> None:
    called.stub.PutNotificationRule(put(trickle.url, webhook.url))
    leave(called.database, *(notice(number, repeat_key=str(number)) for number in range(30)))
    eventually(lambda: len(webhook.bodies) == 30, timeout_s=60)
    eventually(lambda: len([one for one in log(called) if one.state == PENDING]) == 30)
    assert trickle.connection_count == 1  # one attempt at a time, and the others behind it
    called.clock.move(seconds=21)
    first = eventually(lambda: [one for one in log(called) if one.error])
    assert "no answer within 20 s" in {one.error for one in first}
    # It hangs still, so its deliveries fail without holding a thread each.
    deliveries = ended(called, 60)
    assert {one.error for one in deliveries if one.state == FAILED} == {"the attempt before still hangs"}
    assert trickle.connection_count == 1
    leave(called.database, notice(99))
    eventually(lambda: len(webhook.bodies) == 31)


def test_a_test_goes_to_every_channel_and_into_the_log(
    called: Called, mailbox: Mailbox, webhook: Webhook
) -> None:
    nobody = "json://127.0.0.1:1/"
    called.stub.PutNotificationRule(
        put(mailbox.url, nobody, webhook.url, enabled=False, name="Bags\r\nBcc: x")
    )
    request = notification_service_pb2.TestNotificationRuleRequest(rule_id=uuid(1))
    answer = called.stub.TestNotificationRule(request)
    assert [one.state for one in answer.deliveries] == [SENT, FAILED, SENT]
    assert [one.attempt_count for one in answer.deliveries] == [1, 1, 1]
    assert [one.topic for one in answer.deliveries] == [0, 0, 0]
    assert list(answer.deliveries)[::-1] == list(log(called))
    assert mailbox.messages[0]["Subject"] == "Test of TinyMLOps"
    assert mailbox.messages[0]["Bcc"] is None
    assert webhook.bodies[0]["message"].startswith("This is a test")
    unknown = notification_service_pb2.TestNotificationRuleRequest(rule_id=uuid(9))
    assert refused(called.stub.TestNotificationRule, unknown).kind == (
        "NOT_FOUND",
        "NOTIFICATION_RULE_NOT_FOUND",
    )


def test_what_a_rule_left_is_not_sent(called: Called, webhook: Webhook) -> None:
    webhook_of = {1: f"{webhook.url}?a=1", 2: f"{webhook.url}?a=2", 3: f"{webhook.url}?a=3"}
    quiet = notification_pb2.QuietHours(start_minute=0, end_minute=1439, time_zone="UTC")
    called.clock.set(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    for number, url in webhook_of.items():
        called.stub.PutNotificationRule(put(url, number=number, quiet_hours=quiet))
    leave(called.database, notice())
    eventually(lambda: len(log(called)) == 3)
    called.stub.DeleteNotificationRule(
        notification_service_pb2.DeleteNotificationRuleRequest(rule_id=uuid(1), reviewer="ann")
    )
    called.stub.PutNotificationRule(put(webhook_of[2], number=2, enabled=False))
    called.stub.PutNotificationRule(put("ntfy://example.org/topic", number=3))
    assert {one.rule_id: one.error for one in ended(called, 3)} == {
        uuid(1): "the rule was deleted",
        uuid(2): "the rule was switched off",
        uuid(3): "the rule lost this channel",
    }
    called.clock.move(days=1)
    called.courier.wake()
    assert webhook.bodies == []


def test_channels_that_hang_leave_room_for_others(
    database: Database,
    store: SqlNotificationStore,
    channels: AppriseChannels,
    clock: MovedClock,
    trickle: Trickle,
    webhook: Webhook,
) -> None:
    one_thread = replace(QUICK, thread_count=1)
    courier = Courier(store, channels, clock, patience=one_thread, draw=lambda: 1.0)
    for number, url in enumerate((trickle.url, f"{trickle.url}other", webhook.url), 1):
        rule, urls = read_rule(put(url, number=number), update_time=clock.now())
        Rules(store, channels, clock, new_id).put(rule, urls)
    leave(database, notice())
    courier.start()
    for count in (1, 2):
        eventually(lambda count=count: trickle.connection_count == count)
        assert webhook.bodies == []  # one at a time
        clock.move(seconds=21)
        courier.wake()
    eventually(lambda: webhook.bodies)
    courier.stop()


def test_what_is_about_a_device_goes_with_it(called: Called, webhook: Webhook) -> None:
    called.stub.PutNotificationRule(put(webhook.url, repeat_interval=hours(1)))
    leave(called.database, notice(1), notice(2, device_id="camera-2", repeat_key="camera-2/novelty"))
    ended(called, 2)
    data = SqlDeviceData(called.database)
    assert data.count("camera-1") == {"notification_deliveries": 1, "notification_repeats": 1}
    data.delete("camera-1")
    assert [one.subject for one in log(called)] == [uuid(102)]
    assert data.count("camera-1") == {}


def test_the_log_is_paged_newest_first(called: Called, webhook: Webhook) -> None:
    called.stub.PutNotificationRule(put(webhook.url))
    called.stub.PutNotificationRule(put(webhook.url, number=2))
    leave(called.database, *(notice(number) for number in range(5)))
    ended(called, 10)
    seen, token = [], ""
    while True:
        request = notification_service_pb2.ListNotificationDeliveriesRequest(
            page_size=2, page_token=token, rule_id=uuid(2)
        )
        page = called.stub.ListNotificationDeliveries(request)
        seen += [one.subject for one in page.deliveries]
        token = page.next_page_token
        if not token:
            break
    assert seen == [uuid(100 + number) for number in (4, 3, 2, 1, 0)]
    bad = notification_service_pb2.ListNotificationDeliveriesRequest(page_token="bad")
    assert refused(called.stub.ListNotificationDeliveries, bad).kind == (
        "INVALID_ARGUMENT",
        "INVALID_PAGE_TOKEN",
    )


def test_the_log_forgets_by_age_and_by_count(called: Called, webhook: Webhook) -> None:
    called.stub.PutNotificationRule(put(webhook.url))
    leave(called.database, notice(1))
    ended(called, 1)
    called.clock.move(days=2)
    leave(called.database, *(notice(number) for number in range(2, 6)))
    ended(called, 5)
    now = called.clock.now()
    week = timedelta(days=7)
    assert (
        called.store.forget(ended_before=now - timedelta(days=1), kept_count=9, repeats_before=now - week)
        == 1
    )
    assert called.store.forget(ended_before=now - week, kept_count=3, repeats_before=now - week) == 1
    assert [one.subject for one in log(called)] == [uuid(105), uuid(104), uuid(103)]

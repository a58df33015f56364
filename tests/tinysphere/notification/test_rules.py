"""Rules through real gRPC: what is kept, what is shown, what is refused."""

from datetime import UTC
from typing import Any

import sqlalchemy as sa
from google.protobuf.duration_pb2 import Duration

from tests.support.refusals import refused
from tests.tinysphere.notification.builders import hours, put, rule_message, uuid
from tests.tinysphere.notification.conftest import Called
from tinymlops.v1 import drift_pb2, notification_pb2, notification_service_pb2
from tinysphere.storage.sql.audit import SqlAuditLog
from tinysphere.storage.sql.tables import all_tables

MAIL = "mailtos://user:geheim@example.org?to=ann@example.com"
HOOK = "jsons://example.org/hooks/T00SECRET00?+X-Token=geheim"
QUIET = notification_pb2.QuietHours(start_minute=1320, end_minute=360, time_zone="Europe/Berlin")


def listed(called: Called) -> list[notification_pb2.NotificationRule]:
    request = notification_service_pb2.ListNotificationRulesRequest()
    return list(called.stub.ListNotificationRules(request).rules)


def stored_urls(called: Called) -> list[str]:
    table = all_tables().tables["notification_channels"]
    with called.database.reading() as connection:
        return list(connection.scalars(sa.select(table.c.url).order_by(table.c.position)))


def test_a_rule_comes_back_as_it_was_put_but_for_its_secrets(called: Called) -> None:
    request = put(
        MAIL,
        HOOK,
        topics=list(notification_pb2.NotificationTopic.values())[1:],
        minimum_severity=drift_pb2.SEVERITY_HIGH,
        types=[drift_pb2.DRIFT_TYPE_KNN_DISTANCE],
        repeat_interval=hours(2),
        quiet_hours=QUIET,
    )
    answer = called.stub.PutNotificationRule(request).rule
    assert listed(called) == [answer]
    assert answer.update_time.ToDatetime(tzinfo=UTC) <= called.clock.now()
    expected = request.rule
    expected.update_time.CopyFrom(answer.update_time)
    del expected.channels[:]
    expected.channels.extend(
        ["mailtos://user:****@example.org/ann%40example.com", "jsons://example.org/hooks/T...0"]
    )
    assert answer == expected


def test_secrets_are_kept_in_one_place(called: Called) -> None:
    called.stub.PutNotificationRule(put(MAIL, HOOK))
    called.stub.DeleteNotificationRule(
        notification_service_pb2.DeleteNotificationRuleRequest(rule_id=uuid(2), reviewer="bob")
    )
    with called.database.reading() as connection:
        holding = {
            table.name
            for table in all_tables().sorted_tables
            for row in connection.execute(sa.select(table))
            if "geheim" in str(row) or "T00SECRET00" in str(row)
        }
    assert holding == {"notification_channels"}


def test_a_redacted_channel_sent_back_keeps_its_secret(called: Called) -> None:
    twin = MAIL.replace("geheim", "anders")  # looks the same without its secret
    rule = called.stub.PutNotificationRule(put(MAIL, twin, HOOK)).rule
    assert rule.channels[0] == rule.channels[1]
    rule.name = "renamed"
    del rule.channels[2]
    rule.channels.append("ntfy://example.org/topic")
    renamed = called.stub.PutNotificationRule(
        notification_service_pb2.PutNotificationRuleRequest(rule=rule)
    ).rule
    assert stored_urls(called) == [MAIL, twin, "ntfy://example.org/topic"]
    assert list(renamed.channels) == [*rule.channels[:2], "ntfy://example.org/topic"]


def test_rules_stand_in_the_order_of_their_names(called: Called) -> None:
    for number, name in ((1, "night"), (2, "day"), (3, "evening")):
        called.stub.PutNotificationRule(put(MAIL, number=number, name=name))
    assert [rule.name for rule in listed(called)] == ["day", "evening", "night"]
    gone = notification_service_pb2.DeleteNotificationRuleRequest(rule_id=uuid(3), reviewer="bob")
    for _ in range(2):
        called.stub.DeleteNotificationRule(gone)
    assert [rule.name for rule in listed(called)] == ["day", "night"]


def test_who_changed_a_rule_is_written_down(called: Called) -> None:
    called.stub.PutNotificationRule(put(MAIL))
    called.stub.PutNotificationRule(put(MAIL, enabled=False, reviewer="bob"))
    gone = notification_service_pb2.DeleteNotificationRuleRequest(rule_id=uuid(1), reviewer="cid")
    for _ in range(2):
        called.stub.DeleteNotificationRule(gone)
    records = list(SqlAuditLog(called.database).newest(9))[::-1]
    assert [(record.actor, record.action) for record in records] == [
        ("ann", "notification_rule.put"),
        ("bob", "notification_rule.put"),
        ("cid", "notification_rule.delete"),
    ]
    assert records[1].from_value == records[0].to_value
    assert "; off; " in str(records[1].to_value)


def test_there_are_at_most_a_hundred_rules(called: Called) -> None:
    for number in range(1, 101):
        called.stub.PutNotificationRule(put("ntfy://example.org/topic", number=number))
    one_more = refused(called.stub.PutNotificationRule, put("ntfy://example.org/topic", number=101))
    assert one_more.kind == ("RESOURCE_EXHAUSTED", "TOO_MANY_RULES")
    called.stub.PutNotificationRule(put("ntfy://example.org/other", number=100))  # a replacement is none more


LIMITS: list[tuple[str, dict[str, Any]]] = [
    ("rule.rule_id", {"rule_id": "one"}),
    ("rule.name", {"name": ""}),
    ("rule.name", {"name": "n" * 129}),
    ("rule.topics", {"topics": []}),
    ("rule.topics[0]", {"topics": [0]}),
    ("rule.topics[1]", {"topics": [1, 99]}),
    ("rule.minimum_severity", {"minimum_severity": 99}),
    ("rule.types[0]", {"types": [0]}),
    ("rule.channels", {"channels": []}),
    ("rule.channels", {"channels": ["ntfy://example.org/topic"] * 17}),
    ("rule.channels[0]", {"channels": ["ntfy://example.org/" + "t" * 1024]}),
    ("rule.repeat_interval", {"repeat_interval": Duration(seconds=-1)}),
    ("rule.repeat_interval", {"repeat_interval": Duration(seconds=7 * 24 * 3600, nanos=1000)}),
    ("rule.reviewer", {"reviewer": ""}),
    ("rule.quiet_hours.start_minute", {"quiet_hours": {"start_minute": -1, "time_zone": "UTC"}}),
    ("rule.quiet_hours.end_minute", {"quiet_hours": {"end_minute": 1440, "time_zone": "UTC"}}),
    ("rule.quiet_hours.end_minute", {"quiet_hours": {"start_minute": 7, "end_minute": 7}}),
    *(
        ("rule.quiet_hours.time_zone", {"quiet_hours": {"end_minute": 7, "time_zone": zone}})
        for zone in ("", "Europe/Nowhere", "../../../etc/passwd", "/etc/passwd", "Europe")
    ),
]


def test_what_breaks_a_limit_is_refused(called: Called) -> None:
    for field, changes in LIMITS:
        facts = {"channels": ["ntfy://example.org/topic"], **changes}
        request = notification_service_pb2.PutNotificationRuleRequest(rule=rule_message(**facts))
        refusal = refused(called.stub.PutNotificationRule, request)
        assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), field)
    assert listed(called) == []


UNUSABLE = [
    "nonsense",
    "slack://TokenWithoutItsOtherParts",
    "file:///etc/passwd",
    "syslog://localhost",
    "dbus://",
    "windows://",
    "form://example.org/",
    "exec://rm",
    "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV?template=/etc/passwd",
    "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV?tts=no;%54emplate=/etc/passwd",
    "mailto://user:geheim@example.org?pgp=encrypt&pgppub=/etc/passwd",
    "mailtos://user:****@example.org/ann%40example.com",
    "json://example.org/a\r\nb",
]


def test_channels_that_cannot_be_used_are_refused(called: Called) -> None:
    for url in UNUSABLE:
        refusal = refused(called.stub.PutNotificationRule, put("ntfy://example.org/topic", url))
        assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), "rule.channels[1]")
        assert "geheim" not in refusal.message
        assert "JHMHI8" not in refusal.message
    assert listed(called) == []

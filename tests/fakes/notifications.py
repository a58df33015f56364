"""Rules of notifications in memory, with the contract's promises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from tinyboard.client.calls import HubError
from tinyboard.views.notification_records import DeliveryView, RuleView


class FakeNotifications:
    """Keeps rules, and sends nothing.

    Attributes:
        by_id: The rules.
        log: Deliveries, oldest first.
        broken: Channels that fail.
    """

    def __init__(self, ask: Callable[[str], None]) -> None:
        self._ask = ask
        self.by_id: dict[str, RuleView] = {}
        self.log: list[DeliveryView] = []
        self.broken: set[str] = set()

    def rules(self) -> tuple[RuleView, ...]:
        self._ask("rules")
        return tuple(sorted(self.by_id.values(), key=lambda rule: rule.name))

    def put(self, rule: RuleView) -> RuleView:
        self._ask("put_rule")
        unread = [channel for channel in rule.channels if "://" not in channel]
        if unread or not rule.channels or not rule.topics or not rule.name:
            raise HubError("INVALID_FIELD", f"rule.channels: Apprise cannot read {unread}")
        self.by_id[rule.rule_id] = rule
        return rule

    def delete(self, rule_id: str, *, reviewer: str) -> None:
        self._ask("delete_rule")
        self.by_id.pop(rule_id, None)

    def test(self, rule_id: str) -> tuple[DeliveryView, ...]:
        self._ask("test_rule")
        now = datetime.now(UTC)
        made = tuple(
            DeliveryView(
                ordinal=len(self.log) + place,
                rule_id=rule_id,
                topic="",
                subject="",
                title="This is a test",
                channel=channel,
                state="FAILED" if channel in self.broken else "SENT",
                attempt_count=1,
                error="connection refused" if channel in self.broken else "",
                create_time=now,
                end_time=now,
            )
            for place, channel in enumerate(self.by_id[rule_id].channels)
        )
        self.log += made
        return made

    def deliveries(self, *, rule_id: str = "", limit: int = 100) -> tuple[DeliveryView, ...]:
        self._ask("deliveries")
        return tuple([one for one in reversed(self.log) if rule_id in ("", one.rule_id)][:limit])

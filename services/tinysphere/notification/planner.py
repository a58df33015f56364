"""Turns what happened into what is to be sent: every notice once, by every rule that asks for it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from tinysphere.domain.clock import Clock
from tinysphere.domain.notifications import Channel, DeliveryState, NewDelivery, Notice, NotificationRule
from tinysphere.storage.ports.notifications import NotificationStore

BATCH_SIZE = 200
WAITING_MAX = 1000  # deliveries of one channel; what comes on top is given up at once

Told = tuple[NotificationRule, Notice]


class Planner:
    """Notices are taken and deliveries made in one transaction: a crash leaves the ones or the others."""

    def __init__(self, store: NotificationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def plan(self) -> None:
        """Plans every notice there is."""
        while self._store.has_notices() and self._plan_batch():
            pass

    def _plan_batch(self) -> bool:
        now = self._clock.now()
        with self._store.planning() as transaction:
            notices = transaction.take_notices(BATCH_SIZE)
            rules = transaction.enabled_rules()
            told = [
                (rule, notice)
                for notice in notices
                for rule in rules
                if rule.matches(notice) and transaction.claim_repeat(rule, notice, now=now)
            ]
            if told:
                waiting = Counter(transaction.waiting_counts())
                transaction.add_deliveries(list(_deliveries(told, waiting, now)))
        return len(notices) == BATCH_SIZE


def _deliveries(told: Iterable[Told], waiting: Counter[str], now: datetime) -> Iterator[NewDelivery]:
    for rule, notice in told:
        for channel in rule.channels:
            waiting[channel.channel_id] += 1
            room = waiting[channel.channel_id] <= WAITING_MAX
            yield _delivery(rule, channel, notice, now=now, room=room)


def _delivery(
    rule: NotificationRule, channel: Channel, notice: Notice, *, now: datetime, room: bool
) -> NewDelivery:
    return NewDelivery(
        rule_id=rule.rule_id,
        channel_id=channel.channel_id,
        channel=channel.shown,
        topic=notice.topic,
        subject=notice.subject,
        device_id=notice.device_id,
        title=notice.title,
        body=notice.body,
        severity=notice.severity,
        create_time=now,
        due_time=rule.time_to_send(now),
        state=DeliveryState.PENDING if room else DeliveryState.FAILED,
        error="" if room else f"{WAITING_MAX} notifications wait for this channel already",
    )

"""What notifications need of their store.

Other services leave notices in it, in the transaction that stores what happened; from then on nothing is lost. The
notification service turns each into deliveries, once, and sends these at least once.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.notifications import (
    Delivery,
    NewDelivery,
    Notice,
    NotificationRule,
    NotificationTopic,
    Sighting,
)
from tinysphere.errors import NotFoundError


class NoticeSteps(Protocol):
    """Leaves word, inside the transaction that stores what happened."""

    def add(self, notices: Sequence[Notice]) -> None:
        """Appends notices; people hear of them once the transaction is committed."""


class PlanTransaction(Protocol):
    """Turns notices into deliveries, all or nothing."""

    def take_notices(self, limit: int) -> Sequence[Notice]:
        """Removes the oldest notices that nobody else is taking, and returns them."""

    def enabled_rules(self) -> Sequence[NotificationRule]:
        """The rules that are followed."""

    def claim_repeat(self, rule: NotificationRule, notice: Notice, *, now: datetime) -> bool:
        """Notes that a rule tells of this now; False when it told of the same thing within its interval."""

    def waiting_counts(self) -> Mapping[str, int]:
        """Pending deliveries by channel id; channels without any are left out."""

    def add_deliveries(self, deliveries: Sequence[NewDelivery]) -> Sequence[int]:
        """Appends to the log; returns their ordinals."""


class NotificationStore(Protocol):
    """Rules and deliveries, kept durably. Every method outside `planning` is one transaction of its own."""

    def put_rule(self, rule: NotificationRule, *, maximum: int, record: AuditRecord) -> None:
        """Adds or replaces a rule; what waits for channels it lost, or for a rule switched off, is given up.

        Raises:
            ExhaustedError: TOO_MANY_RULES, there are ``maximum`` others.
        """

    def delete_rule(self, rule_id: str, *, now: datetime, record: AuditRecord) -> None:
        """Deletes a rule and gives up what it left to send; nothing happens when there is none."""

    def find_rule(self, rule_id: str) -> NotificationRule | None:
        """A rule."""

    def rules(self) -> Sequence[NotificationRule]:
        """All rules in the order of their names."""

    def has_notices(self) -> bool:
        """Whether any notice waits to be planned."""

    def planning(self) -> AbstractContextManager[PlanTransaction]:
        """Commits when the block ends, takes everything back when it raises."""

    def due(self, *, now: datetime, limit: int, without: Collection[str]) -> Sequence[Delivery]:
        """Deliveries to be sent, those longest due first, but none to the channels ``without``."""

    def claim(self, ordinal: int, *, now: datetime, lease_time: datetime) -> str | None:
        """Counts an attempt, and makes the delivery due again at ``lease_time``.

        Returns:
            The channel's URL; None when the delivery is not due any more.
        """

    def finish(self, ordinal: int, *, error: str, now: datetime) -> None:
        """Ends a pending delivery: SENT without an error, FAILED with one."""

    def postpone(self, ordinal: int, *, error: str, due_time: datetime) -> None:
        """Notes what an attempt met, and when to try again."""

    def get(self, ordinals: Sequence[int]) -> Sequence[Delivery]:
        """These deliveries, those that exist, in their order."""

    def page(self, rule_id: str, *, after: int | None, limit: int) -> Sequence[Delivery]:
        """Newest first; the key is the ordinal. An empty ``rule_id`` means all rules."""

    def forget(self, *, ended_before: datetime, kept_count: int, repeats_before: datetime) -> int:
        """Deletes deliveries that ended before a moment or beyond the newest ``kept_count``, and old repeats.

        Returns:
            How many deliveries.
        """


class SightingStore(Protocol):
    """What was seen of a topic, and told, already. Each method is one transaction."""

    def floor(self, topic: NotificationTopic) -> datetime | None:
        """Nothing older is told; None before the first look."""

    def known(self, topic: NotificationTopic) -> Mapping[str, datetime]:
        """The moments of what is known, by key."""

    def record(
        self,
        topic: NotificationTopic,
        seen: Sequence[Sighting],
        *,
        gone: Collection[str],
        notices: Sequence[Notice],
        floor: datetime,
    ) -> None:
        """Remembers sightings, forgets what is gone or below the floor, and leaves word: all or nothing."""


def rule_not_found(rule_id: str) -> NotFoundError:
    """What asking for an unknown rule raises."""
    return NotFoundError(
        "NOTIFICATION_RULE_NOT_FOUND",
        f"notification rule {rule_id} is not known",
        metadata={"rule_id": rule_id},
    )

"""What people are told of, by which rules, and what became of it: frozen facts, enums named as in `tinymlops.v1`.

Datetimes are aware UTC.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from tinysphere.domain.drift import DriftType, Severity

MINUTES_A_DAY = 24 * 60

_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class NotificationTopic(Enum):
    """What people can be told of."""

    DRIFT_EVENT = "DRIFT_EVENT"
    SYSTEMIC_DRIFT = "SYSTEMIC_DRIFT"
    DEVICE_OFFLINE = "DEVICE_OFFLINE"
    PACKAGE_FAILED = "PACKAGE_FAILED"


class DeliveryState(Enum):
    """What became of a notification."""

    PENDING = "PENDING"
    SENT = "SENT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that happened and that people may want to hear of, before any rule looked at it.

    Attributes:
        subject: Id of the drift event, device or package.
        repeat_key: Equal for what concerns the same thing, which is told once in a rule's interval.
        device_id: Device it is about; what is stored of it is deleted with the device.
        severity: Of a drift, when estimated.
        type: Of a drift.
    """

    topic: NotificationTopic
    subject: str
    repeat_key: str
    device_id: str
    title: str
    body: str
    notice_time: datetime
    severity: Severity | None = None
    type: DriftType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Something seen at another service that stays so: a device that is offline, a package that failed.

    Attributes:
        key: Its id.
        moment: Tells two such times of one thing apart: a device's last contact, a package's receipt.
        detail: For people.
    """

    key: str
    device_id: str
    moment: datetime
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """A time of each day, in minutes from midnight; ``end_minute`` is the first that is not quiet any more."""

    start_minute: int
    end_minute: int
    time_zone: str

    def end_after(self, moment: datetime) -> datetime:
        """When it is not quiet any more: ``moment`` itself outside these hours.

        >>> from datetime import UTC
        >>> night = QuietHours(start_minute=22 * 60, end_minute=6 * 60, time_zone="Europe/Berlin")
        >>> night.end_after(datetime(2026, 11, 22, 23, 30, tzinfo=UTC)).isoformat()
        '2026-11-23T05:00:00+00:00'
        """
        local = moment.astimezone(ZoneInfo(self.time_zone))
        minute = 60 * local.hour + local.minute
        if not self._covers(minute):
            return moment
        days = 1 if minute >= self.end_minute else 0
        end = local.replace(
            hour=self.end_minute // 60, minute=self.end_minute % 60, second=0, microsecond=0, fold=0
        )
        # By the wall clock: a night in which the clocks change is an hour longer or shorter.
        return (end + timedelta(days=days)).astimezone(moment.tzinfo)

    def _covers(self, minute: int) -> bool:
        if self.start_minute < self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where a rule's notifications go.

    Attributes:
        url: As Apprise reads it, with its secrets; never shown or logged.
        shown: The same for people, its secrets left out.
    """

    channel_id: str
    url: str = field(repr=False)
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRule:
    """Who is told of what.

    Attributes:
        minimum_severity: For drift: only of this severity or a higher one; None for all.
        types: For drift: only of these types; empty for all.
        repeat_interval: What concerns the same thing is told once in this time.
    """

    rule_id: str
    name: str
    enabled: bool
    topics: frozenset[NotificationTopic]
    minimum_severity: Severity | None
    types: frozenset[DriftType]
    channels: tuple[Channel, ...]
    repeat_interval: timedelta
    quiet_hours: QuietHours | None
    reviewer: str
    update_time: datetime

    def matches(self, notice: Notice) -> bool:
        """Whether it asks for this notice; a drift whose severity nobody estimated is below every minimum."""
        if not self.enabled or notice.topic not in self.topics:
            return False
        if notice.type is None:
            return True
        if self.types and notice.type not in self.types:
            return False
        if self.minimum_severity is None:
            return True
        return notice.severity is not None and _RANKS[notice.severity] >= _RANKS[self.minimum_severity]

    def time_to_send(self, moment: datetime) -> datetime:
        """``moment``, or the end of the quiet hours it falls into."""
        return self.quiet_hours.end_after(moment) if self.quiet_hours else moment


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """One notification to one channel, before it has its place in the log.

    Attributes:
        channel: As `Channel.shown` was when the delivery was made.
        topic: None for a test.
        due_time: When to send it, or to try again.
        error: What the newest failed attempt met; may be empty.
    """

    rule_id: str
    channel_id: str
    channel: str
    topic: NotificationTopic | None
    subject: str
    device_id: str
    title: str
    body: str
    create_time: datetime
    due_time: datetime
    severity: Severity | None = None
    error: str = ""
    state: DeliveryState = DeliveryState.PENDING

    @property
    def is_test(self) -> bool:
        return self.topic is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(NewDelivery):
    """One notification to one channel, as the log holds it.

    Attributes:
        ordinal: Order of the deliveries; grows.
        end_time: When it was sent or given up.
    """

    ordinal: int
    attempt_count: int
    end_time: datetime | None

"""Who is told of what, and what became of it; enum names as in `records`."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietView:
    """Hours without notifications, in minutes from midnight."""

    start_minute: int
    end_minute: int
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """Who is told of what; channels without their secrets."""

    rule_id: str
    name: str
    enabled: bool
    topics: tuple[str, ...]
    minimum_severity: str
    types: tuple[str, ...]
    channels: tuple[str, ...]
    repeat_s: int
    quiet: QuietView | None
    reviewer: str
    update_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """One notification to one channel."""

    ordinal: int
    rule_id: str
    topic: str
    subject: str
    title: str
    channel: str
    state: str
    attempt_count: int
    error: str
    create_time: datetime | None
    end_time: datetime | None

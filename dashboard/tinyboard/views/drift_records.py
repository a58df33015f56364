"""Drift over the whole fleet, as the Drift page shows it; enum names as in `records`."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which drift events are wanted; an empty field leaves all. Times are of receipt, end exclusive."""

    states: tuple[str, ...] = ()
    type: str = ""
    minimum_severity: str = ""
    scope: str = ""
    device_id: str = ""
    after_time: datetime | None = None
    before_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountView:
    """Drift events that share what was counted by; fields not counted by are "" or None."""

    event_count: int
    state: str = ""
    type: str = ""
    severity: str = ""
    cause: str = ""
    scope: str = ""
    device_id: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    """How many verdicts an event still needs, one by one and by groups."""

    open_sample_count: int
    open_group_count: int
    main_group_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogView:
    """What became of one device's feedback."""

    device_id: str
    state: str
    waiting_count: int
    deferred_count: int
    applied_count: int
    rejected_count: int
    oldest_waiting_time: datetime | None
    acknowledge_time: datetime | None
    last_reason: str

"""What is known when the scope of a drift event is decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tinysphere.domain.drift import DriftEvent, DriftScope


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopedEvent:
    """A drift event as its scope is decided by.

    Attributes:
        due_time: When something new came that its scope has to be decided for; None when nothing did.
        groups: Its samples by group of look-alikes; empty until they came and were grouped.
    """

    event: DriftEvent
    due_time: datetime | None
    groups: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmHistory:
    """Earlier alarms of one model version and cause; ``first_time`` is None when there were none."""

    alarm_count: int
    first_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeDecision:
    """What was decided of one event.

    Attributes:
        due_time: What it was decided for, see `ScopedEvent`.
        next_due_time: When to decide again although nothing new came; None when that is not needed.
    """

    drift_event_id: str
    scope: DriftScope | None
    scope_reason: str
    due_time: datetime | None
    next_due_time: datetime | None = None

"""Counts of drift events."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from tinysphere.domain.drift import DriftCause, DriftEventState, DriftScope, DriftType, Severity


class DriftDimension(Enum):
    """What drift events may be counted by."""

    STATE = "STATE"
    TYPE = "TYPE"
    SEVERITY = "SEVERITY"
    CAUSE = "CAUSE"
    SCOPE = "SCOPE"
    DEVICE = "DEVICE"
    MODEL_VERSION = "MODEL_VERSION"
    HOUR = "HOUR"
    DAY = "DAY"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftCount:
    """Number of events that share what was counted by; None, or empty, where it was not counted by.

    Attributes:
        hour_time: Beginning of the hour they were detected in.
        day_time: Beginning of the day, in UTC.
    """

    event_count: int
    state: DriftEventState | None = None
    type: DriftType | None = None
    severity: Severity | None = None
    cause: DriftCause | None = None
    scope: DriftScope | None = None
    device_id: str = ""
    model_name: str = ""
    model_version: int = 0
    hour_time: datetime | None = None
    day_time: datetime | None = None

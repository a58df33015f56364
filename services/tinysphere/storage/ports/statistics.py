"""What counts of drift events need of their store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tinysphere.domain.statistics import DriftCount, DriftDimension


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRequest:
    """Which events to count, and by what; an empty `device_id` means all devices, None no bound."""

    device_id: str
    detected_from: datetime | None
    detected_before: datetime | None
    dimensions: tuple[DriftDimension, ...]


class StatisticsStore(Protocol):
    """Counts; each method is one transaction."""

    def count_events(self, request: CountRequest, *, limit: int) -> Sequence[DriftCount]:
        """Returns one row for each combination that occurs, those with most events first."""

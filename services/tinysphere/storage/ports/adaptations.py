"""What the drift service needs of its store of adaptations."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tinysphere.domain.adaptations import Adaptation
from tinysphere.storage.ports.drift import TimeKey


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationFilter:
    """Which adaptations to list; empty means all."""

    device_id: str = ""
    drift_event_id: str = ""


class AdaptationTransaction(Protocol):
    """Steps that become visible together, or not at all. Rows are taken and locked in the order of their ids."""

    def add(self, adaptations: Sequence[Adaptation]) -> frozenset[str]:
        """Adds the adaptations whose ids are free and returns these ids."""

    def lock(self, adaptation_ids: Collection[str]) -> Mapping[str, Adaptation]:
        """Returns the adaptations that exist; nobody else changes them until the transaction ends."""

    def move_on(self, adaptations: Sequence[Adaptation]) -> None:
        """Stores the state, reason, effect and time of adaptations that exist."""


class AdaptationStore(Protocol):
    """The lineage, kept durably."""

    def transaction(self) -> AbstractContextManager[AdaptationTransaction]:
        """Commits when the block ends, takes everything back when it raises."""

    def page(self, wanted: AdaptationFilter, *, after: TimeKey | None, limit: int) -> Sequence[Adaptation]:
        """Newest first; the key is `(receive_time, adaptation_id)`."""

"""What deciding the scope of drift events needs of its store. The drift process is the only writer behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tinysphere.domain.drift import DriftCause
from tinysphere.domain.notifications import Notice
from tinysphere.domain.scopes import AlarmHistory, ScopeDecision, ScopedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSpan:
    """Alarms of one model version and one cause, detected from ``since`` on and before ``before``."""

    bundle_sha256: str
    cause: DriftCause | None
    since: datetime
    before: datetime


class ScopeStore(Protocol):
    """Drift events whose scope is to be decided. Each method is one transaction."""

    def due(self, *, now: datetime, limit: int) -> Sequence[ScopedEvent]:
        """Returns events whose scope is due, longest waiting first."""

    def newest(self, span: AlarmSpan, *, limit: int) -> Sequence[ScopedEvent]:
        """Returns events of a span, newest first."""

    def count_devices(self, span: AlarmSpan) -> int:
        """Counts the devices that have events in a span."""

    def history(self, span: AlarmSpan) -> AlarmHistory:
        """Counts the events of a span."""

    def settle(self, decisions: Sequence[ScopeDecision], *, notices: Sequence[Notice]) -> None:
        """Stores decisions and leaves word of them; an event stays due when something came meanwhile."""

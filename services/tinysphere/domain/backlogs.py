"""How feedback fares on each device. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from tinysphere.domain.feedback import Acknowledgement, FeedbackOutcome

STUCK_AFTER = timedelta(days=1)
RECENT_COUNT = 20
_APPLIED, _REJECTED = "A", "R"


class BacklogState(Enum):
    """How one device takes its feedback."""

    FLOWING = "FLOWING"
    STUCK = "STUCK"
    REJECTING = "REJECTING"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackBacklog:
    """What became of one device's feedback.

    Attributes:
        waiting_count: Items not done, deferred ones among them.
        oldest_waiting_time: When the oldest item not done was made; None when there is none.
        oldest_deferred: Whether the device deferred that item.
        recent_outcomes: A letter for each of the items done last, at most 20, the newest last.
        acknowledge_time: Newest answer; None before the first.
        last_reason: Of the newest answer that was REJECTED or DEFERRED.
        contact_time: When the device last fetched or answered feedback, give or take some minutes.
    """

    device_id: str
    waiting_count: int = 0
    deferred_count: int = 0
    applied_count: int = 0
    rejected_count: int = 0
    oldest_waiting_time: datetime | None = None
    oldest_deferred: bool = False
    recent_outcomes: str = ""
    acknowledge_time: datetime | None = None
    last_reason: str = ""
    contact_time: datetime | None = None

    def state(self, now: datetime) -> BacklogState:
        """How the device fares."""
        if 0 < len(self.recent_outcomes) <= 2 * self.recent_outcomes.count(_REJECTED):
            return BacklogState.REJECTING
        return BacklogState.STUCK if self._is_stuck(now) else BacklogState.FLOWING

    def answered(self, before: Acknowledgement | None, answer: Acknowledgement) -> "FeedbackBacklog":
        """After an item that was not done was answered.

        Args:
            before: The item's answer until then.
            answer: The new one.
        """
        applied, rejected = (
            answer.outcome is outcome for outcome in (FeedbackOutcome.APPLIED, FeedbackOutcome.REJECTED)
        )
        recent = self.recent_outcomes + _APPLIED * applied + _REJECTED * rejected
        return replace(
            self,
            waiting_count=self.waiting_count - answer.outcome.final,
            deferred_count=self.deferred_count + (not answer.outcome.final) - (before is not None),
            applied_count=self.applied_count + applied,
            rejected_count=self.rejected_count + rejected,
            recent_outcomes=recent[-RECENT_COUNT:],
            acknowledge_time=answer.acknowledge_time,
            last_reason=self.last_reason if applied else answer.reason,
            contact_time=answer.acknowledge_time,
        )

    def _is_stuck(self, now: datetime) -> bool:
        oldest = self.oldest_waiting_time
        if oldest is None or now - oldest <= STUCK_AFTER:
            return False
        return self.oldest_deferred or (self.contact_time is not None and self.contact_time >= oldest)

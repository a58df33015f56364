"""The lineage of what devices know: every attempt to change a classifier, and what became of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from tinysphere.domain.devices import ModelReference
from tinysphere.domain.feedback import AdaptationEffect


class AdaptationKind(Enum):
    """What an adaptation was made from."""

    SENSOR_CORRECTION = "SENSOR_CORRECTION"
    PSEUDO_LABELS = "PSEUDO_LABELS"
    HUMAN_LABELS = "HUMAN_LABELS"


class AdaptationState(Enum):
    """What became of an adaptation."""

    REFUSED = "REFUSED"
    COMMITTED = "COMMITTED"
    CONFIRMED = "CONFIRMED"
    ROLLED_BACK = "ROLLED_BACK"

    def may_follow(self, earlier: "AdaptationState") -> bool:
        """Whether this state is a later one. What was refused was never in place, and stays refused."""
        return earlier in _LIFE and self in _LIFE[_LIFE.index(earlier) + 1 :]


# Of an adaptation that was not refused.
_LIFE = (AdaptationState.COMMITTED, AdaptationState.CONFIRMED, AdaptationState.ROLLED_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """One attempt of a device to change its classifier.

    Attributes:
        drift_event_id: The drift it answers; empty when there is none.
        description: What was done, for people.
        reason: Why it was refused or taken back, for people.
        effect: What was measured; None when it was refused before anything could be.
        sample_ids: Samples that it learned from.
        decide_time: When it took its state, by the device's clock.
        receive_time: When the server first heard of it.
    """

    adaptation_id: str
    device_id: str
    model: ModelReference
    kind: AdaptationKind
    state: AdaptationState
    drift_event_id: str
    description: str
    reason: str
    effect: AdaptationEffect | None
    sample_ids: tuple[str, ...]
    decide_time: datetime
    receive_time: datetime

    def moved_on_by(self, report: "Adaptation") -> "Adaptation":
        """What it is after a report on it: its state, reason, effect and time move on, the rest is history."""
        if not report.state.may_follow(self.state):
            return self
        return replace(
            self,
            state=report.state,
            reason=report.reason,
            effect=report.effect,
            decide_time=report.decide_time,
        )

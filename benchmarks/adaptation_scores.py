"""One device in one scenario, and figures over many of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinylcm.records import AdaptationState

HARM_POINTS = 3.0
"""A corruption that costs less accuracy than this leaves nothing to win."""
_CLEAN = "clean"
_NOVEL = "novel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of one device.

    Attributes:
        method: Prefix of the baseline; empty for ours.
        task: "label_free", "labels60" or "novel".
        loss: Accuracy that the drift cost, 0 to 1.
        before: Accuracy of the known classes under the drift without adapting.
        gain: What adapting adds to it; may be below 0.
        gain_at_commit: The same when a label-free change was committed, before it was watched.
        automatic_labels: Whether each label that no person gave is right.
        states: Of the adaptations, in order.
    """

    method: str
    world: str
    seed: int
    task: str
    scenario: str
    mix: str
    loss: float
    before: float
    gain: float
    gain_at_commit: float = 0.0
    novel_before: float = 0.0
    novel_accuracy: float = 0.0
    automatic_labels: tuple[bool, ...] = ()
    states: tuple[AdaptationState, ...] = ()

    @property
    def is_corruption(self) -> bool:
        """Whether the sensor changed and nothing else did."""
        return _CLEAN not in self.scenario and _NOVEL not in self.scenario

    @property
    def committed(self) -> bool:
        """Whether a label-free change was put in place."""
        return AdaptationState.COMMITTED in self.states

    @property
    def rolled_back(self) -> bool:
        """Whether one was taken back."""
        return AdaptationState.ROLLED_BACK in self.states

    @property
    def stands(self) -> bool:
        """Whether a change was in place at the end."""
        placed = self.committed or AdaptationState.CONFIRMED in self.states
        return placed and not self.rolled_back


class Figures:
    """Figures with their lowest and highest value over seeds."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.spread: dict[str, list[float]] = {}

    def add(self, key: str, runs: Sequence[Run], figure: Callable[[Sequence[Run]], float]) -> None:
        """Adds a figure of runs; nothing when there are none."""
        if not runs:
            return
        seeds = sorted({one.seed for one in runs})
        per_seed = [float(figure([one for one in runs if one.seed == seed])) for seed in seeds]
        self.values[key] = round(float(figure(runs)), 4)
        self.spread[key] = [round(min(per_seed), 4), round(max(per_seed), 4)]

    def add_precision(self, key: str, runs: Sequence[Run]) -> None:
        """Adds the share of right labels among those that no person gave."""
        self.add(key, [one for one in runs if one.automatic_labels], _precision)


def _precision(runs: Sequence[Run]) -> float:
    labels = [right for one in runs for right in one.automatic_labels]
    return sum(labels) / len(labels)

"""From what detectors said to figures. Names as in MOA's and CapyMOA's evaluation of drift detectors.

A drift is found at its first harmful alarm; one that is not found within `HORIZON_COUNT` observations is missed, and
counts with that delay. Only scenarios that cost more than `HARM_POINTS` of accuracy count as harmful.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift_detectors import Detector
from benchmarks.worlds import HORIZON_COUNT, Stream

HARM_POINTS = 0.03
LENGTH_KINDS = ("stationary", "in order")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one detector did on one stream.

    Attributes:
        alarm_count: Alarms on the undrifted stream, or in the drift.
        delay: Observations until the first harmful alarm, from 1; `HORIZON_COUNT` when it was missed.
        found: Whether there was one.
        prior_first: Whether a prior shift was reported before it.
        flagged_share: Share of the drift during which harm was said to stand.
        recovery_delay: Observations from the end of the drift until harm was said to have ended; `HORIZON_COUNT`
            for a detector that no longer said, or never does, that it stood.
        accuracy_loss: What the drift cost, 0 to 1.
    """

    group: str
    seed: int
    kind: str
    scenario: str
    length: int
    alarm_count: int
    delay: int = 0
    found: bool = False
    prior_first: bool = False
    flagged_share: float = 0.0
    recovery_delay: int = 0
    accuracy_loss: float = 0.0


def watch(
    detector: Detector, stream: Stream, *, group: str, seed: int, lead_count: int | None = None
) -> Outcome:
    """Shows a stream to a fresh detector and sums up what it said.

    ``lead_count`` bounds the undrifted observations shown before a drift, for a detector that is slow.
    """
    alarms: list[tuple[int, bool]] = []
    flagged = np.zeros(len(stream.observations), dtype=np.bool_)
    first = max(0, stream.start - lead_count) if lead_count and stream.drifted.any() else 0
    for index, observation in enumerate(stream.observations[first:], start=first):
        report = detector.update(observation)
        flagged[index] = detector.drifting
        if report is not None and report.alarm:
            alarms.append((index, report.harmful))
            if report.harmful and stream.kind in ("drift", "label shift", "fault") and index >= stream.start:
                break
    return _sum_up(stream, alarms, flagged, group, seed)


def _sum_up(
    stream: Stream, alarms: Sequence[tuple[int, bool]], flagged: NDArray[np.bool_], group: str, seed: int
) -> Outcome:
    start, end = stream.start, stream.end
    inside = [(index, harmful) for index, harmful in alarms if start <= index < end]
    harmful = [index for index, is_harmful in inside if is_harmful]
    delay = min(harmful[0] - start + 1, HORIZON_COUNT) if harmful else HORIZON_COUNT
    found = bool(harmful) and harmful[0] - start < HORIZON_COUNT
    length_only = stream.kind in LENGTH_KINDS
    quiet = np.flatnonzero(~flagged[end:])
    return Outcome(
        group=group,
        seed=seed,
        kind=stream.kind,
        scenario=stream.name,
        length=len(flagged),
        alarm_count=len(alarms) if length_only else len(harmful),
        delay=delay,
        found=found,
        prior_first=any(not is_harmful for _, is_harmful in inside[:1]),
        flagged_share=0.0 if length_only else float(flagged[start:end].mean()),
        recovery_delay=int(quiet[0]) if len(quiet) and flagged[end - 1] else HORIZON_COUNT,
        accuracy_loss=0.0
        if length_only
        else float(stream.correct[:start].mean() - stream.correct[start:end].mean()),
    )


def harmful_scenarios(outcomes: Iterable[Outcome]) -> set[tuple[str, str]]:
    """Pairs of group and scenario whose mean loss of accuracy, over seeds, counts as harm."""
    losses = defaultdict(list)
    for outcome in outcomes:
        if outcome.kind in ("drift", "fault"):
            losses[outcome.group, outcome.scenario].append(outcome.accuracy_loss)
    return {pair for pair, values in losses.items() if np.mean(values) > HARM_POINTS}


class Figures:
    """Figures with their lowest and highest value over seeds."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.spread: dict[str, list[float]] = {}

    def add(
        self, key: str, outcomes: Sequence[Outcome], figure: Callable[[Sequence[Outcome]], float]
    ) -> None:
        """Adds a figure of outcomes; nothing when there are none."""
        if not outcomes:
            return
        by_seed = [
            [one for one in outcomes if one.seed == seed] for seed in sorted({one.seed for one in outcomes})
        ]
        per_seed = [figure(part) for part in by_seed]
        self.values[key] = round(figure(outcomes), 4)
        self.spread[key] = [round(min(per_seed), 4), round(max(per_seed), 4)]

    def add_all(self, prefix: str, outcomes: Sequence[Outcome], harmful: set[tuple[str, str]]) -> None:
        """Adds every figure that the outcomes of one detector give."""
        of_kind = {
            kind: [one for one in outcomes if one.kind == kind] for kind in {one.kind for one in outcomes}
        }
        drifts = [one for one in of_kind.get("drift", []) if (one.group, one.scenario) in harmful]
        returns = of_kind.get("return", [])
        recurring = of_kind.get("recurring", [])
        self.add(f"{prefix}false_alarms_per_10k", of_kind.get("stationary", []), _alarms_per_10k)
        self.add(f"{prefix}false_alarms_per_10k_in_order", of_kind.get("in order", []), _alarms_per_10k)
        self.add(f"{prefix}recall_harmful", drifts, by_scenario("found"))
        self.add(f"{prefix}mean_delay", drifts, by_scenario("delay"))
        self.add(f"{prefix}harmful_called_prior_share", drifts, by_scenario("prior_first"))
        self.add(f"{prefix}label_shift_alarm_share", of_kind.get("label shift", []), _mean("found"))
        self.add(f"{prefix}entries_per_drift", returns, _mean("alarm_count"))
        self.add(f"{prefix}flagged_share", returns, _mean("flagged_share"))
        self.add(f"{prefix}recovery_delay", returns, _mean("recovery_delay"))
        self.add(f"{prefix}recurring_entries", recurring, _mean("alarm_count"))


def by_scenario(field: str) -> Callable[[Sequence[Outcome]], float]:
    """The mean over scenarios of the mean over their runs, so that each scenario counts alike."""

    def figure(outcomes: Sequence[Outcome]) -> float:
        values = defaultdict(list)
        for outcome in outcomes:
            values[outcome.group, outcome.scenario].append(float(getattr(outcome, field)))
        return float(np.mean([np.mean(part) for part in values.values()]))

    return figure


def _mean(field: str) -> Callable[[Sequence[Outcome]], float]:
    def figure(outcomes: Sequence[Outcome]) -> float:
        return float(np.mean([float(getattr(outcome, field)) for outcome in outcomes]))

    return figure


def _alarms_per_10k(outcomes: Sequence[Outcome]) -> float:
    return 1e4 * sum(one.alarm_count for one in outcomes) / sum(one.length for one in outcomes)

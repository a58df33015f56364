"""How many verdicts win back what a fleet can win back: one sample at a time, and a group at a time."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.adaptation_device import Device, hits
from benchmarks.group_fleet import Evidence, FleetWorld

SHOWN_COUNT = 48
"""Samples of a group that a reviewer looks at: what the dashboard shows on one page."""
GROWTH = 1.5
FIRST_COUNT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One act of a reviewer: a label for some rows of the evidence; ``excluded`` counts those taken out by hand."""

    label: str
    rows: Sequence[int]
    excluded: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Mean accuracy of the fleet after so many verdicts and exclusions, from none on."""

    verdict_counts: list[int]
    act_counts: list[int]
    accuracies: list[float]

    def needed(self, accuracy: float, *, acts: bool = False) -> float:
        """Verdicts, or ``acts`` with exclusions, for an accuracy; between two measurements by their straight line."""
        counts = self.act_counts if acts else self.verdict_counts
        for place, reached in enumerate(self.accuracies):
            if reached >= accuracy:
                if not place:
                    return 0.0
                start, before = counts[place - 1], self.accuracies[place - 1]
                return start + (counts[place] - start) * (accuracy - before) / (reached - before)
        return float("inf")


def one_by_one(evidence: Evidence, seed: int) -> Iterator[Verdict]:
    """Every sample alone, in random order."""
    for row in np.random.default_rng((seed, 1)).permutation(len(evidence.truths)):
        yield Verdict(label=str(evidence.truths[row]), rows=[int(row)])


def by_group(
    evidence: Evidence, groups: NDArray[np.intp], similarities: NDArray[np.float64]
) -> Iterator[Verdict]:
    """Every group at once, the largest first, then what was taken out of them, one by one.

    The reviewer looks at the `SHOWN_COUNT` samples most alike to their group, names the class that most of them
    have, and takes out those of other classes. What is not shown gets the label unseen.
    """
    left: list[int] = []
    for group, _ in Counter(groups.tolist()).most_common():
        members = np.flatnonzero(groups == group)
        shown = members[np.argsort(-similarities[members], kind="stable")[:SHOWN_COUNT]]
        label = Counter(evidence.truths[shown].tolist()).most_common(1)[0][0]
        excluded = shown[evidence.truths[shown] != label].tolist()
        left += excluded
        rows = [row for row in members.tolist() if row not in excluded]
        yield Verdict(label=label, rows=rows, excluded=len(excluded))
    for row in left:
        yield Verdict(label=str(evidence.truths[row]), rows=[row])


def reachable(world: FleetWorld, devices: Mapping[int, Device], evidence: Evidence) -> float:
    """Mean accuracy of devices when every sample is labelled as it truly is."""
    labels = {row: str(truth) for row, truth in enumerate(evidence.truths)}
    return float(np.mean([_taught(world, devices, evidence, labels, row) for row in devices]))


def measure(
    world: FleetWorld,
    devices: Mapping[int, Device],
    evidence: Evidence,
    verdicts: Iterator[Verdict],
    *,
    enough: float,
) -> Curve:
    """Gives verdicts in order until the accuracy is enough; it is measured when their number has grown by `GROWTH`.

    Each time, every device learns all its labels at once: those that came before do not decide what it makes of them.
    """
    accuracies = {row: _taught(world, devices, evidence, {}, row) for row in devices}
    curve = Curve(verdict_counts=[0], act_counts=[0], accuracies=[float(np.mean([*accuracies.values()]))])
    given: dict[int, str] = {}
    concerned: set[int] = set()
    verdict_count = act_count = 0
    due_count = float(FIRST_COUNT)

    def look() -> None:
        for row in concerned & devices.keys():
            accuracies[row] = _taught(world, devices, evidence, given, row)
        concerned.clear()
        curve.verdict_counts.append(verdict_count)
        curve.act_counts.append(act_count)
        curve.accuracies.append(float(np.mean([*accuracies.values()])))

    for verdict in verdicts:
        given |= dict.fromkeys(verdict.rows, verdict.label)
        concerned |= {int(evidence.device_rows[row]) for row in verdict.rows}
        verdict_count += 1
        act_count += 1 + verdict.excluded
        if verdict_count >= due_count:
            due_count = GROWTH * verdict_count
            look()
            if curve.accuracies[-1] >= enough:
                return curve
    look()
    return curve


def _taught(
    world: FleetWorld,
    devices: Mapping[int, Device],
    evidence: Evidence,
    labels: Mapping[int, str],
    device_row: int,
) -> float:
    """Accuracy of one device that learns its part of the labels, by row of the evidence."""
    device = copy.deepcopy(devices[device_row])
    own = {row: label for row, label in labels.items() if evidence.device_rows[row] == device_row}
    if own:
        device.learn([evidence.sent[row] for row in own], list(own.values()))
    return float(hits(device.pipeline.learned, world.stretches[device_row].held).mean())

"""What else could be done with a drifted window: nothing, the seed's heuristic, or adding all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.adaptation_device import Device
from tinylcm.pipeline.learned import LearnedState
from tinylcm.records import Sample

_FAR_QUANTILE = 0.8
_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A learned state with pseudo-labels in it, and whether each of them is right."""

    learned: LearnedState
    right: list[bool]


def seed_heuristic(learned: LearnedState, window: Sequence[Sample], device: Device) -> Labelled:
    """Far samples under their predicted class; rolled back when the accuracy on clean labelled samples drops."""
    law = learned.calibration.distance
    scores = [
        law.standardise(one.mean_distance, one.label) for one in learned.knn.leave_one_out_predictions()
    ]
    bound = float(np.quantile(scores, _FAR_QUANTILE))
    changed = add_all(learned, [one for one in window if one.distance_score > bound], device)
    lost = _reference_accuracy(learned) - _reference_accuracy(changed.learned)
    return Labelled(learned=learned, right=[]) if lost > _TOLERANCE else changed


def add_all(learned: LearnedState, window: Sequence[Sample], device: Device) -> Labelled:
    """Every sample under its predicted class."""
    knn, right = learned.knn.copy(), []
    for sample in window:
        seen = sample.observation
        if knn.add(seen.point, seen.prediction.label, sample.sample_id, trusted=False):
            right.append(device.truth_of(sample) == seen.prediction.label)
    return Labelled(learned=replace(learned, knn=knn), right=right)


def _reference_accuracy(learned: LearnedState) -> float:
    return float(
        np.mean(
            [
                learned.knn.predict(one.point, excluding=(one.sample_id,)).label == one.label
                for one in learned.reference()
            ]
        )
    )

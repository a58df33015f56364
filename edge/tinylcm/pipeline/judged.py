"""What the stored samples say of samples that they do not know: the ground on which monitors are calibrated."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.core.drift.calibration import Calibration, calibrate
from tinylcm.errors import InputError
from tinylcm.records import Prediction

MOST_BUDGET_PREDICTIONS = 1_000_000_000
_SAME_POINT = 0.01
"""Points closer than this share of the stored samples' spread are one: versions of an engine round differently."""


class Judged(NamedTuple):
    """Points ``(n, p)``, their true labels, and the predictions made without them."""

    points: NDArray[np.float32]
    labels: Sequence[str]
    predictions: Sequence[Prediction]


def judge_stored(knn: LightweightKNN) -> Judged:
    """Every stored sample by all the others.

    Raises:
        InputError: Fewer than two samples are stored.
    """
    return Judged(knn.points, knn.labels, knn.leave_one_out_predictions())


def judge_all(
    knn: LightweightKNN, points: NDArray[np.float32], labels: Sequence[str], sample_ids: Sequence[str]
) -> Judged:
    """Every point, stored or not, by the stored samples that are not itself.

    What is not stored costs the device nothing and makes the calibration better: its means are known closer.

    Args:
        knn: The stored samples.
        points: ``(n, p)``.
        labels: Their classes.
        sample_ids: Their ids, where they are stored.

    Raises:
        InputError: Fewer than two samples are stored.
    """
    predictions = [
        knn.predict(point, excluding=(sample_id,))
        for point, sample_id in zip(points, sample_ids, strict=True)
    ]
    return Judged(points, labels, predictions)


def judge_recordings(
    knn: LightweightKNN,
    points: NDArray[np.float32],
    labels: Sequence[str],
    recordings: Sequence[str],
    recording_of: Mapping[str, str],
) -> Judged:
    """Every point, stored or not, by the stored samples of the other recordings.

    Neighbours in time are alike: judged by its own recording, a point would look nearer than any new one.

    Args:
        knn: The stored samples.
        points: ``(n, p)``, in recording order.
        labels: Their classes.
        recordings: Which recording each comes from.
        recording_of: The same by id, for the stored samples; one that is missing comes from none of them.

    Raises:
        InputError: All stored samples come from one recording.
    """
    own: dict[str | None, list[str]] = defaultdict(list)
    for sample_id in knn.sample_ids:
        own[recording_of.get(sample_id)].append(sample_id)
    if len(own) < 2 and None not in own:
        raise InputError(f"expected stored samples of two or more recordings, got {len(own)}")
    predictions = [
        knn.predict(point, excluding=own.get(recording, ()))
        for point, recording in zip(points, recordings, strict=True)
    ]
    return Judged(points, labels, predictions)


def find_recordings(
    knn: LightweightKNN, points: NDArray[np.float32], recordings: Sequence[str]
) -> dict[str, str]:
    """Which of the recordings each stored sample was taken from, by id; one of none of them is left out.

    A sample coincides with the frame it was made of. One that coincides by chance only judges a recording less.

    Args:
        knn: The stored samples.
        points: Frames of the recordings, ``(n, p)``.
        recordings: Which recording each comes from, ``(n,)``.
    """
    reach = _SAME_POINT * float(np.sqrt(knn.points.var(axis=0).sum()))
    found = {}
    for sample_id, stored in zip(knn.sample_ids, knn.points, strict=True):
        distances = np.linalg.norm(points - stored, axis=1)
        nearest = int(distances.argmin())
        if distances[nearest] <= reach:
            found[sample_id] = recordings[nearest]
    return found


def calibrate_judged(
    judged: Judged,
    *,
    budget_predictions: int,
    recordings: Sequence[str] | None = None,
    rng: np.random.Generator,
    runtime: str,
) -> Calibration:
    """Calibrates the monitors on what was judged; arguments and errors as of `calibrate`.

    Raises:
        InputError: Also when the budget is out of its range.
    """
    if not 1 <= budget_predictions <= MOST_BUDGET_PREDICTIONS:
        raise InputError(
            f"budget: expected 1 to {MOST_BUDGET_PREDICTIONS} predictions, got {budget_predictions}"
        )
    return calibrate(
        judged.points,
        np.array(judged.labels, dtype=np.str_),
        np.array([prediction.label for prediction in judged.predictions], dtype=np.str_),
        np.array([prediction.mean_distance for prediction in judged.predictions], dtype=np.float64),
        confidences=np.array([prediction.confidence for prediction in judged.predictions], dtype=np.float64),
        budget_predictions=budget_predictions,
        recordings=None if recordings is None else np.array(recordings, dtype=np.str_),
        rng=rng,
        runtime=runtime,
    )

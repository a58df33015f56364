"""What the stored samples say of samples that they do not know: the ground on which monitors are calibrated."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.errors import InputError
from tinylcm.records import Prediction


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
        recording_of: The same by id, for the stored samples.

    Raises:
        InputError: The stored samples come from fewer than two recordings.
    """
    own: dict[str, list[str]] = defaultdict(list)
    for sample_id in knn.sample_ids:
        own[recording_of[sample_id]].append(sample_id)
    if len(own) < 2:
        raise InputError(f"expected stored samples of two or more recordings, got {len(own)}")
    predictions = [
        knn.predict(point, excluding=own.get(recording, ()))
        for point, recording in zip(points, recordings, strict=True)
    ]
    return Judged(points, labels, predictions)

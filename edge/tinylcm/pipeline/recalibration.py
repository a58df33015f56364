"""What is normal after a change of the classifier: the same stream that the change was made for."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.calibration import Calibration, calibrate
from tinylcm.pipeline.learned import LearnedState
from tinylcm.records import FloatVector, Prediction

Columns = tuple[
    NDArray[np.float32], NDArray[np.str_], NDArray[np.str_], NDArray[np.float64], NDArray[np.float64]
]
"""Points ``(n, p)``, labels, predicted labels, mean distances and confidences, each ``(n,)``."""


def recalibrate(
    learned: LearnedState,
    recent: Mapping[int, FloatVector],
    sample_ids: Mapping[int, str],
    *,
    least_count: int,
    rng: np.random.Generator,
) -> Calibration:
    """Calibrates the monitors for ``learned``, with the budget that they have.

    Args:
        learned: The changed state.
        recent: Embeddings of the stream that is normal from now on, ``(d,)``, by source index; empty when the
            stored samples still stand for it.
        sample_ids: Ids of the samples that some of these frames became, by source index: none judges itself.
        least_count: From so many recent frames on, they alone say what is normal; fewer join the stored samples.
        rng: Source of the calibration's random numbers.
    """
    parts = [_seen_anew(learned, recent, sample_ids)] if recent else []
    if len(recent) < least_count:
        stored = np.array(learned.knn.labels, dtype=np.str_)
        parts.append(_columns(learned.knn.points, learned.knn.leave_one_out_predictions(), stored))
    points, labels, predicted, distances, confidences = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return calibrate(
        points,
        labels,
        predicted,
        distances,
        confidences=confidences,
        budget_predictions=learned.calibration.budget_predictions,
        rng=rng,
        runtime=learned.runtime,
    )


def _seen_anew(
    learned: LearnedState, recent: Mapping[int, FloatVector], sample_ids: Mapping[int, str]
) -> Columns:
    """Classifies recent frames once more; nobody told their labels, so the predicted ones stand in."""
    points = learned.projection.apply_many(np.stack(list(recent.values())))
    predictions: Sequence[Prediction] = [
        learned.knn.predict(point, excluding=(sample_ids[index],) if index in sample_ids else ())
        for index, point in zip(recent, points, strict=True)
    ]
    return _columns(points, predictions)


def _columns(
    points: NDArray[np.float32], predictions: Sequence[Prediction], labels: NDArray[np.str_] | None = None
) -> Columns:
    predicted = np.array([prediction.label for prediction in predictions], dtype=np.str_)
    return (
        points,
        predicted if labels is None else labels,
        predicted,
        np.array([prediction.mean_distance for prediction in predictions], dtype=np.float64),
        np.array([prediction.confidence for prediction in predictions], dtype=np.float64),
    )

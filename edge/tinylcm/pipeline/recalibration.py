"""What is normal after a change of the classifier: the same stream that the change was made for."""

from collections.abc import Mapping, Sequence

import numpy as np

from tinylcm.core.drift.calibration import Calibration
from tinylcm.pipeline.judged import Judged, calibrate_judged, judge_stored
from tinylcm.pipeline.learned import LearnedState
from tinylcm.records import FloatVector


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
        parts.append(judge_stored(learned.knn))
    return calibrate_judged(
        _joined(parts),
        budget_predictions=learned.calibration.budget_predictions,
        rng=rng,
        runtime=learned.runtime,
    )


def _seen_anew(
    learned: LearnedState, recent: Mapping[int, FloatVector], sample_ids: Mapping[int, str]
) -> Judged:
    """Classifies recent frames once more; nobody told their labels, so the predicted ones stand in."""
    points = learned.projection.apply_many(np.stack(list(recent.values())))
    predictions = [
        learned.knn.predict(point, excluding=(sample_ids[index],) if index in sample_ids else ())
        for index, point in zip(recent, points, strict=True)
    ]
    return Judged(points, [prediction.label for prediction in predictions], predictions)


def _joined(parts: Sequence[Judged]) -> Judged:
    return Judged(
        np.concatenate([part.points for part in parts]),
        [label for part in parts for label in part.labels],
        [prediction for part in parts for prediction in part.predictions],
    )

"""From stored reference samples to monitors with a promised false-alarm budget."""

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.bootstrap import FloatArray
from tinylcm.core.drift.catalog import build_monitor, monitor_names
from tinylcm.core.drift.limits import Calibration
from tinylcm.core.drift.mix import fit_mix_law
from tinylcm.core.drift.reference import CLIP, fit_class_law
from tinylcm.core.drift.residual import fit_residual_law, one_hot, optimism
from tinylcm.core.drift.thresholds import all_limits, make_streams, mix_limit, window_limits
from tinylcm.core.order import distinct
from tinylcm.errors import InputError
from tinylcm.records import FloatVector

__all__ = ["Calibration", "build_monitor", "calibrate", "monitor_names"]

_CONFIDENCE_FLOOR = 0.2
"""Smallest standard deviation of a confidence: where nearly all votes agree, few disagreeing ones are no drift."""

_FEW_RECORDINGS = 4


def calibrate(
    points: FloatVector,
    labels: NDArray[np.str_],
    predicted: NDArray[np.str_],
    mean_distances: NDArray[np.floating],
    *,
    budget_predictions: int = 10_000,
    rng: np.random.Generator,
    runtime: str = "",
    confidences: NDArray[np.floating] | None = None,
    recordings: NDArray[np.generic] | None = None,
) -> Calibration:
    """Learns what is normal from the stored reference samples, each judged by the others (leave-one-out).

    With ``recordings`` the samples are in the order they were recorded, every one must have been judged by samples
    of *other* recordings, and whole recordings are replayed; without, samples count as independent.

    Args:
        points: ``(n, p) float32``.
        labels: True labels, ``(n,)``.
        predicted: Labels predicted for each sample without itself, ``(n,)``.
        mean_distances: Mean distances to its neighbours among the others, ``(n,)``.
        budget_predictions: At most one false alarm in this many predictions.
        rng: Source of the bootstrap.
        runtime: Engine and version that made the embeddings.
        confidences: Confidences of the predictions, ``(n,)``; without them no monitor looks at confidence.
        recordings: Which recording each sample belongs to, ``(n,)``.

    Raises:
        InputError: Fewer than two samples, lengths that differ, a predicted label that no sample has, or values
            that are not finite.
    """
    labels, predicted = np.asarray(labels, dtype=np.str_), np.asarray(predicted, dtype=np.str_)
    distances = np.asarray(mean_distances, dtype=np.float64)
    votes = None if confidences is None else np.asarray(confidences, dtype=np.float64)
    _check(points, labels, predicted, distances, votes, recordings)
    distance = fit_class_law(distances, predicted)
    confidence = None if votes is None else fit_class_law(votes, predicted, floor=_CONFIDENCE_FLOOR)
    scores = {"knn_distance": distance.scores(distances, predicted)[:, None]}
    if confidence is not None and votes is not None:
        scores["confidence"] = confidence.scores(votes, predicted)[:, None]
    inputs = np.concatenate((np.asarray(points, dtype=np.float64), *scores.values()), axis=1)
    residual, mix = fit_residual_law(inputs, labels, predicted), fit_mix_law(labels, predicted)
    lengthened = residual.residuals(inputs, predicted) * optimism(inputs, labels, predicted)
    scores["feature_residual"] = np.clip(lengthened, -CLIP, CLIP)
    scores["class_distribution"] = mix.rows()[np.searchsorted(mix.classes, predicted)]
    if recordings is not None:
        scores = {name: _centred_elsewhere(array, labels, recordings) for name, array in scores.items()}
    streams, classes = make_streams(labels, recordings, rng), one_hot(predicted, np.array(mix.classes))
    return Calibration(
        budget_predictions=budget_predictions,
        runtime=runtime,
        sample_count=len(points),
        recording_count=0 if recordings is None else len(distinct(recordings)),
        distance=distance,
        confidence=confidence,
        residual=residual,
        mix=mix,
        limits=all_limits(scores, streams, budget_predictions, rng),
        mix_limit=mix_limit(classes, mix, streams.usual),
        window_limits=window_limits(scores["feature_residual"], classes, mix, streams.any_mix),
        caveat=_caveat(labels, recordings),
    )


def _centred_elsewhere(
    values: FloatArray, labels: NDArray[np.str_], recordings: NDArray[np.generic]
) -> FloatArray:
    """Scores as if each recording's class means came from the other recordings alone."""
    moved = values.copy()
    for label in distinct(labels):
        members = labels == label
        for recording in distinct(recordings[members]):
            own = members & (recordings == recording)
            if (others := members & ~own).any():
                moved[own] += values[members].mean(axis=0) - values[others].mean(axis=0)
    return moved


def _caveat(labels: NDArray[np.str_], recordings: NDArray[np.generic] | None) -> str:
    if recordings is None:
        return (
            "Samples count as independent; a stream whose neighbours in time are alike may alarm more often."
        )
    counts = {str(name): len(distinct(recordings[labels == name])) for name in distinct(labels)}
    if single := [name for name, count in counts.items() if count < 2]:
        return f"Only one recording of {', '.join(single)}: nothing is promised between recordings."
    if few := [name for name, count in counts.items() if count < _FEW_RECORDINGS]:
        return f"Few recordings of {', '.join(few)}: how much recordings differ is known only roughly."
    return ""


def _check(
    points: FloatVector,
    labels: NDArray[np.str_],
    predicted: NDArray[np.str_],
    distances: FloatArray,
    confidences: FloatArray | None,
    recordings: NDArray[np.generic] | None,
) -> None:
    columns = (labels, predicted, distances, confidences, recordings)
    lengths = [len(points), *(len(column) for column in columns if column is not None)]
    if lengths[0] < 2 or len(set(lengths)) > 1:
        raise InputError(f"expected two or more samples in columns of one length, got lengths {lengths}")
    named: dict[str, NDArray[np.floating]] = {"points": points, "mean_distances": distances}
    if confidences is not None:
        named["confidences"] = confidences
    for name, values in named.items():
        if not np.isfinite(values).all():
            raise InputError(f"{name}: every value must be finite")
    if unknown := sorted(set(predicted.tolist()) - set(labels.tolist())):
        raise InputError(f"predicted labels that no sample has: {', '.join(unknown)}")

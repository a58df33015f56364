"""From stored reference samples to monitors with a promised false-alarm budget."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.attribution import unexplained
from tinylcm.core.drift.bootstrap import (
    BURN_IN_COUNT,
    Bank,
    NullStreams,
    alarm_threshold,
    expected_delays,
    recorded_streams,
    shuffled_streams,
    statistics,
)
from tinylcm.core.drift.catalog import build_monitor, monitor_names
from tinylcm.core.drift.crosier import CrosierBank
from tinylcm.core.drift.cusum import CusumBank
from tinylcm.core.drift.harm import SUSPICION_COUNT
from tinylcm.core.drift.limits import Calibration, Limits
from tinylcm.core.drift.mix import MixLaw, fit_mix_law
from tinylcm.core.drift.page_hinkley import PageHinkleyBank
from tinylcm.core.drift.reference import fit_class_law
from tinylcm.core.drift.residual import fit_residual_law, one_hot, optimism
from tinylcm.core.drift.window import RECENT_COUNT
from tinylcm.errors import InputError
from tinylcm.records import FloatVector

__all__ = ["Calibration", "build_monitor", "calibrate", "monitor_names"]

FloatArray = NDArray[np.float64]
_SHARES = {"feature_residual": 0.6, "knn_distance": 0.2, "class_distribution": 0.2}
"""How "default" divides its budget among its channels."""
_STATED_SHIFT = "1.0"
"""The slack is the one that notices a shift of so many standard deviations first."""
_SCALAR_SLACKS = (0.1, 0.25, 0.5, 1.0)
_VECTOR_SLACKS = (0.5, 0.75, 1.0, 1.25)
_ANY_MIX_CLASS_COUNT = 2
_ANY_MIX_QUANTILE = 0.98
_MIX_QUANTILE = 0.999
_WINDOW_QUANTILE = 0.99
_CONFIDENCE_FLOOR = 0.02
_STREAM_COUNT = 300
_DELAY_STREAM_COUNT = 60
_STEP_COUNT = 1_000
_DELAY_STEP_COUNT = 400


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Streams:
    """Undrifted streams of three kinds."""

    usual: NullStreams
    any_mix: NullStreams
    short: NullStreams


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
    scalars = [np.asarray(mean_distances, dtype=np.float64)]
    if confidences is not None:
        scalars.append(np.asarray(confidences, dtype=np.float64))
    _check(points, labels, predicted, scalars, recordings)
    laws = [fit_class_law(scalars[0], predicted)]
    if confidences is not None:
        laws.append(fit_class_law(scalars[1], predicted, floor=_CONFIDENCE_FLOOR))
    standard = np.stack(
        [law.standardise_many(values, predicted) for law, values in zip(laws, scalars, strict=True)], axis=1
    )
    inputs = np.concatenate((np.asarray(points, dtype=np.float64), standard), axis=1)
    residual, mix = fit_residual_law(inputs, labels, predicted), fit_mix_law(labels, predicted)
    lengthened = residual.residuals(inputs, predicted) * optimism(inputs, labels, predicted)
    values = {
        "knn_distance": standard[:, :1],
        "feature_residual": np.clip(lengthened, -residual.clip, residual.clip),
        "class_distribution": mix.rows()[np.searchsorted(mix.classes, predicted)],
    }
    if confidences is not None:
        values["confidence"] = standard[:, 1:]
    if recordings is not None:
        values = {name: _centred_elsewhere(array, labels, recordings) for name, array in values.items()}
    streams = _streams(labels, recordings, rng)
    classes = one_hot(predicted, np.array(mix.classes))
    return Calibration(
        budget_predictions=budget_predictions,
        runtime=runtime,
        sample_count=len(points),
        recording_count=0 if recordings is None else len(np.unique(recordings)),
        distance=laws[0],
        confidence=laws[1] if confidences is not None else None,
        residual=residual,
        mix=mix,
        limits=_all_limits(values, streams, budget_predictions, rng),
        mix_limit=_mix_limit(classes, mix, streams.usual),
        window_limit=_window_limit(values["feature_residual"], classes, mix, streams.any_mix),
        caveat=_caveat(labels, recordings),
    )


def _all_limits(
    values: Mapping[str, FloatArray], streams: _Streams, budget: int, rng: np.random.Generator
) -> dict[str, Limits]:
    """Limits of every monitor with the whole budget, and of the channels of "default" with their share."""
    limits: dict[str, Limits] = {}
    for name, test, make_bank in (
        ("knn_distance", "cusum", _cusum_bank),
        ("knn_distance", "page_hinkley", _page_hinkley_bank),
        ("confidence", "cusum", _cusum_bank),
        ("feature_residual", "crosier", _crosier_bank),
        ("class_distribution", "crosier", _crosier_bank),
    ):
        if name not in values:
            continue
        budgets = {f"{name}.{test}": float(budget)}
        if name in _SHARES and test != "page_hinkley":
            budgets[f"default.{name}"] = budget / _SHARES[name]
        slacks = _VECTOR_SLACKS if test == "crosier" else _SCALAR_SLACKS
        limits |= _limits(values[name], make_bank, slacks, budgets, streams, rng)
    return limits


def _cusum_bank(slack: float, dimension_count: int, stream_count: int) -> Bank:
    return CusumBank(stream_count, slack)


def _page_hinkley_bank(slack: float, dimension_count: int, stream_count: int) -> Bank:
    return PageHinkleyBank(stream_count, slack)


def _crosier_bank(slack: float, dimension_count: int, stream_count: int) -> Bank:
    return CrosierBank(stream_count, dimension_count, slack)


def _limits(
    values: FloatArray,
    make_bank: Callable[[float, int, int], Bank],
    slacks: tuple[float, ...],
    budgets: Mapping[str, float],
    streams: _Streams,
    rng: np.random.Generator,
) -> dict[str, Limits]:
    """Tries every slack on the same streams and keeps the one that finds the stated shift first."""
    tried = []
    for slack in slacks:
        make = partial(make_bank, slack, values.shape[1])
        paths = statistics(make(streams.usual.stream_count), streams.usual, values)
        threshold = alarm_threshold(paths, min(budgets.values()))
        delays = expected_delays(make, streams.short, values, threshold, rng)
        tried.append((delays[_STATED_SHIFT], slack, paths, delays))
    _, slack, paths, delays = min(tried, key=lambda candidate: candidate[0])
    any_mix = statistics(
        make_bank(slack, values.shape[1], streams.any_mix.stream_count), streams.any_mix, values
    )
    highest = float(np.quantile(any_mix[:, BURN_IN_COUNT:].max(axis=1), _ANY_MIX_QUANTILE))
    return {
        name: Limits(
            slack=slack,
            threshold=(threshold := alarm_threshold(paths, budget)),
            any_mix_threshold=max(threshold, highest),
            rest_level=float(np.median(paths[:, BURN_IN_COUNT:])),
            expected_delays=delays,
        )
        for name, budget in budgets.items()
    }


def _mix_limit(classes: FloatArray, mix: MixLaw, streams: NullStreams) -> float:
    """Bound of `RecentMix.distance` without drift; ``classes (n, C)`` is one-hot."""
    rate, reference = 1.0 / RECENT_COUNT, mix.predicted
    shares = np.tile(reference, (streams.stream_count, 1))
    distances = []
    for step in range(streams.rows.shape[1]):
        shares += rate * (classes[streams.rows[:, step]] - shares)
        if step >= BURN_IN_COUNT:
            distances.append(((shares - reference) ** 2 / reference).sum(axis=1))
    return float(np.quantile(np.array(distances), _MIX_QUANTILE) * (2.0 / rate - 1.0))


def _window_limit(residuals: FloatArray, classes: FloatArray, mix: MixLaw, streams: NullStreams) -> float:
    """Bound of `unexplained` for a window of any two classes without drift."""
    means = np.zeros((streams.stream_count, residuals.shape[1]))
    for step, scores in enumerate(streams.scores(residuals)):
        if step < SUSPICION_COUNT:
            means += scores / SUSPICION_COUNT
    counts = classes[streams.rows[:, :SUSPICION_COUNT]].sum(axis=1)
    left = [unexplained(mean, count, mix) for mean, count in zip(means, counts, strict=True)]
    return float(np.quantile(left, _WINDOW_QUANTILE))


def _streams(
    labels: NDArray[np.str_], recordings: NDArray[np.generic] | None, rng: np.random.Generator
) -> _Streams:
    make = partial(shuffled_streams, labels, rng)
    if recordings is not None:
        make = partial(recorded_streams, labels, recordings, rng)
    steps = BURN_IN_COUNT + _STEP_COUNT
    return _Streams(
        usual=make(stream_count=_STREAM_COUNT, step_count=steps),
        any_mix=make(stream_count=_STREAM_COUNT, step_count=steps, class_limit=_ANY_MIX_CLASS_COUNT),
        short=make(stream_count=_DELAY_STREAM_COUNT, step_count=BURN_IN_COUNT + _DELAY_STEP_COUNT),
    )


def _centred_elsewhere(
    values: FloatArray, labels: NDArray[np.str_], recordings: NDArray[np.generic]
) -> FloatArray:
    """Scores as if each recording's class means came from the other recordings alone."""
    moved = values.copy()
    for label in np.unique(labels):
        members = labels == label
        for recording in np.unique(recordings[members]):
            own = members & (recordings == recording)
            if (others := members & ~own).any():
                moved[own] += values[members].mean(axis=0) - values[others].mean(axis=0)
    return moved


def _caveat(labels: NDArray[np.str_], recordings: NDArray[np.generic] | None) -> str:
    if recordings is None:
        return (
            "Samples count as independent; a stream whose neighbours in time are alike may alarm more often."
        )
    single = [str(name) for name in np.unique(labels) if len(np.unique(recordings[labels == name])) < 2]
    if not single:
        return ""
    return f"Only one recording of {', '.join(single)}: nothing is promised between recordings."


def _check(
    points: FloatVector,
    labels: NDArray[np.str_],
    predicted: NDArray[np.str_],
    scalars: list[FloatArray],
    recordings: NDArray[np.generic] | None,
) -> None:
    columns = [labels, predicted, *scalars, *([] if recordings is None else [recordings])]
    if len(points) < 2 or any(len(column) != len(points) for column in columns):
        lengths = [len(points), *(len(column) for column in columns)]
        raise InputError(f"expected two or more samples in columns of one length, got lengths {lengths}")
    if not (np.isfinite(points).all() and all(np.isfinite(values).all() for values in scalars)):
        raise InputError("points, mean_distances or confidences are not finite")
    if unknown := sorted(set(predicted.tolist()) - set(labels.tolist())):
        raise InputError(f"predicted labels that no sample has: {', '.join(unknown)}")

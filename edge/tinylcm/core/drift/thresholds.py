"""Slack and thresholds of every channel, from undrifted streams of the reference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.attribution import unexplained
from tinylcm.core.drift.bootstrap import (
    BURN_IN_COUNT,
    SHIFTS_SIGMA,
    Bank,
    FloatArray,
    NullStreams,
    alarm_threshold,
    mean_delay,
    random_directions,
    recorded_streams,
    shuffled_streams,
    statistics,
)
from tinylcm.core.drift.crosier import CrosierBank
from tinylcm.core.drift.cusum import CusumBank
from tinylcm.core.drift.limits import Limits
from tinylcm.core.drift.mix import MixLaw
from tinylcm.core.drift.page_hinkley import PageHinkleyBank
from tinylcm.core.drift.reference import CLIP
from tinylcm.core.drift.suspicion import SUSPICION_COUNTS
from tinylcm.core.drift.window import RECENT_COUNT
from tinylcm.core.order import quantile

_STATED_SHIFTS = ("1.0", "2.0", "3.0")
"""The slack is the one with the smallest sum of expected delays for these shifts."""
_SCALAR_SLACKS = (0.1, 0.25, 0.5, 1.0)
_VECTOR_SLACKS = (0.5, 0.75, 1.0, 1.25)
_RECORDED_SLACKS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
"""Recordings differ by more than samples do; a larger slack absorbs it."""
_RESERVE = 1.5
"""Thresholds aim at a budget larger by this factor: they are estimated from a finite number of streams."""
_ANY_MIX_CLASS_COUNT = 2
_ANY_MIX_QUANTILE = 0.995
_MIX_QUANTILE = 0.999
_SMALLEST_MIX_CHANGE = 0.4
"""A mix that concentrates less than this, as Pearson's chi-square of its shares, explains no residual."""
_WINDOW_QUANTILE = 0.995
_STREAM_COUNT = 300
_DELAY_STREAM_COUNT = 60
_STEP_COUNT = 1_000
_DELAY_STEP_COUNT = 400

MakeBank = Callable[[int, int, FloatArray], Bank]


class _Channel(NamedTuple):
    """How a channel is tested, what share of the budget it has in "default", and whether it tells of harm."""

    scores: str
    test: str
    make_bank: MakeBank
    share: float
    harmful: bool


_CHANNELS = (
    _Channel("feature_residual", "crosier", CrosierBank, 0.6, True),
    _Channel("knn_distance", "cusum", CusumBank, 0.2, True),
    _Channel("class_distribution", "crosier", CrosierBank, 0.2, False),
    _Channel("knn_distance", "page_hinkley", PageHinkleyBank, 0.0, True),
    _Channel("confidence", "cusum", CusumBank, 0.0, True),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Streams:
    """Undrifted streams: with the reference's class mix, of any two classes, and a few for delays."""

    usual: NullStreams
    any_mix: NullStreams
    delays: NullStreams
    recorded: bool


def make_streams(
    labels: NDArray[np.str_], recordings: NDArray[np.generic] | None, rng: np.random.Generator
) -> Streams:
    """Draws the streams of a calibration."""
    make = partial(shuffled_streams, labels, rng)
    if recordings is not None:
        make = partial(recorded_streams, labels, recordings, rng)
    steps = BURN_IN_COUNT + _STEP_COUNT
    return Streams(
        usual=make(stream_count=_STREAM_COUNT, step_count=steps),
        any_mix=make(stream_count=_STREAM_COUNT, step_count=steps, class_limit=_ANY_MIX_CLASS_COUNT),
        delays=make(stream_count=_DELAY_STREAM_COUNT, step_count=BURN_IN_COUNT + _DELAY_STEP_COUNT),
        recorded=recordings is not None,
    )


def all_limits(
    values: Mapping[str, FloatArray], streams: Streams, budget_predictions: int, rng: np.random.Generator
) -> dict[str, Limits]:
    """Limits of every monitor with the whole budget, and of the channels of "default" with their share of it.

    Args:
        values: Scores of the reference samples by channel, ``(n, dimensions)``.
        streams: What `make_streams` drew for the same samples.
        budget_predictions: At most one false alarm in this many predictions.
        rng: Source of the directions of shifts.
    """
    limits: dict[str, Limits] = {}
    for channel in _CHANNELS:
        if channel.scores in values:
            budgets = {f"{channel.scores}.{channel.test}": float(budget_predictions)}
            if channel.share:
                budgets[f"default.{channel.scores}"] = budget_predictions / channel.share
            limits |= _limits(channel, values[channel.scores], budgets, streams, rng)
    return limits


def _limits(
    channel: _Channel,
    values: FloatArray,
    budgets: Mapping[str, float],
    streams: Streams,
    rng: np.random.Generator,
) -> dict[str, Limits]:
    """Tries every slack on the same streams and keeps the one that finds the stated shifts first."""
    slacks = _slacks(channel, streams)
    all_paths = _paths(channel, slacks, streams.usual, values)
    shifted = _shifted_paths(channel, slacks, streams.delays, values, rng)
    alone = min(budgets.values())
    tried = [
        _delays(*pair)
        for pair in zip(shifted, (_threshold(paths, alone) for paths in all_paths), strict=True)
    ]
    best = int(np.argmin([sum(delays[shift] for shift in _STATED_SHIFTS) for delays in tried]))
    highest = _any_mix_threshold(channel, slacks[best], streams, values) if channel.harmful else 0.0
    rest_level = quantile(all_paths[best][:, BURN_IN_COUNT:], 0.5)
    thresholds = {name: _threshold(all_paths[best], budget) for name, budget in budgets.items()}
    return {
        name: Limits(
            slack=slacks[best],
            threshold=threshold,
            any_mix_threshold=max(threshold, highest),
            rest_level=rest_level,
            expected_delays=_delays(shifted[best], threshold),
        )
        for name, threshold in thresholds.items()
    }


def _paths(
    channel: _Channel, slacks: Sequence[float], streams: NullStreams, values: FloatArray
) -> FloatArray:
    """Statistics for every slack, ``(slacks, streams, steps)``; all slacks walk through the streams together."""
    each = np.repeat(slacks, streams.stream_count)
    bank = channel.make_bank(len(each), values.shape[1], each)
    paths = statistics(bank, streams, values, copy_count=len(slacks))
    return paths.reshape(len(slacks), streams.stream_count, -1)


def _shifted_paths(
    channel: _Channel,
    slacks: Sequence[float],
    streams: NullStreams,
    values: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Statistics ``(slacks, shifts, streams, steps)`` of streams that shift after the burn-in, all in one walk."""
    count = streams.stream_count
    directions = random_directions(count, values.shape[1], rng)
    shifts = np.concatenate([shift * directions for shift in SHIFTS_SIGMA] * len(slacks))
    bank = channel.make_bank(len(shifts), values.shape[1], np.repeat(slacks, len(SHIFTS_SIGMA) * count))
    copy_count = len(slacks) * len(SHIFTS_SIGMA)
    paths = statistics(bank, streams, values, copy_count=copy_count, shifts=shifts)
    return paths.reshape(len(slacks), len(SHIFTS_SIGMA), count, -1)


def _delays(shifted: FloatArray, threshold: float) -> dict[str, float]:
    """Expected delays by shift; of the paths of one slack ``(shifts, streams, steps)``."""
    return {
        str(shift): mean_delay(paths, threshold) for shift, paths in zip(SHIFTS_SIGMA, shifted, strict=True)
    }


def _slacks(channel: _Channel, streams: Streams) -> tuple[float, ...]:
    if streams.recorded and channel.harmful:
        return _RECORDED_SLACKS
    return _VECTOR_SLACKS if channel.test == "crosier" else _SCALAR_SLACKS


def _threshold(paths: FloatArray, budget_predictions: float) -> float:
    """Never so low that one bounded score is an alarm, however alike the reference samples are."""
    return max(alarm_threshold(paths, budget_predictions * _RESERVE), CLIP)


def _any_mix_threshold(channel: _Channel, slack: float, streams: Streams, values: FloatArray) -> float:
    (paths,) = _paths(channel, [slack], streams.any_mix, values)
    return quantile(paths[:, BURN_IN_COUNT:].max(axis=1), _ANY_MIX_QUANTILE)


def mix_limit(classes: FloatArray, mix: MixLaw, streams: NullStreams) -> float:
    """Bound of `RecentMix.distance` without drift; ``classes (n, C)`` are the predicted ones, one-hot."""
    rate, reference = 1.0 / RECENT_COUNT, mix.predicted
    shares = np.tile(reference, (streams.stream_count, 1))
    distances = []
    for step in range(streams.rows.shape[1]):
        shares += rate * (classes[streams.rows[:, step]] - shares)
        if step >= BURN_IN_COUNT:
            distances.append(((shares - reference) ** 2 / reference).sum(axis=1))
    bound = max(quantile(distances, _MIX_QUANTILE), _SMALLEST_MIX_CHANGE)
    return bound * (2.0 / rate - 1.0)


def window_limits(
    residuals: FloatArray, classes: FloatArray, mix: MixLaw, streams: NullStreams
) -> tuple[float, ...]:
    """Bounds of `unexplained` for windows of any two classes without drift, one for each of `SUSPICION_COUNTS`."""
    sums = np.zeros((streams.stream_count, residuals.shape[1]))
    limits = []
    for step, scores in enumerate(streams.scores(residuals), start=1):
        sums += scores
        if step in SUSPICION_COUNTS:
            counts = classes[streams.rows[:, :step]].sum(axis=1)
            left = [unexplained(total / step, count, mix) for total, count in zip(sums, counts, strict=True)]
            limits.append(quantile(left, _WINDOW_QUANTILE))
        if step == SUSPICION_COUNTS[-1]:
            break
    return tuple(limits)

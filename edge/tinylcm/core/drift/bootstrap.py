"""Thresholds that keep a promise: at most one false alarm in so many predictions.

A threshold is a quantile of the highest statistic that undrifted streams reach. Independent samples come from a
two-level bootstrap (Efron and Tibshirani 1993): each stream draws the error that every estimated class mean and
the spread carry, and only then its samples. Without the first level alarms come about three times as often.
Recorded samples are replayed in order instead, recording after recording, because neighbours in time are alike.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.order import distinct, quantile

FloatArray = NDArray[np.float64]
SHIFTS_SIGMA = (0.5, 1.0, 2.0, 3.0)
"""Shifts whose expected delay a calibration states, in reference standard deviations."""
BURN_IN_COUNT = 200
"""Steps until a statistic has forgotten that it started at 0."""
_HIGHEST_QUANTILE = 0.97


class Bank(Protocol):
    """A sequential test on many streams at once."""

    def step(self, scores: FloatArray) -> FloatArray:
        """Takes one score of every stream ``(streams, dimensions)``; returns the statistics ``(streams,)``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NullStreams:
    """Undrifted streams, as rows of the reference.

    Attributes:
        rows: Which reference sample each stream shows at each step, ``(streams, steps) intp``.
        groups: Class number of every reference sample, ``(n,) intp``.
        redrawn: Reference samples drawn anew for each stream, ``(streams, n) intp``; empty without errors.
    """

    rows: NDArray[np.intp]
    groups: NDArray[np.intp]
    redrawn: NDArray[np.intp]

    @property
    def stream_count(self) -> int:
        """Number of streams."""
        return len(self.rows)

    def scores(self, values: FloatArray) -> Iterator[FloatArray]:
        """Yields the scores of all streams step by step, ``(streams, dimensions)``, of values ``(n, dimensions)``."""
        errors, scales = self._errors(values)
        streams = np.arange(self.stream_count)
        for step in range(self.rows.shape[1]):
            rows = self.rows[:, step]
            yield (values[rows] - errors[streams, self.groups[rows]]) * scales

    def _errors(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What each stream's reference gets wrong.

        Returns:
            Errors of the class means ``(streams, classes, dimensions)``, and the factor by which the common spread
            is estimated too small, ``(streams, 1)``.
        """
        class_count = int(self.groups.max()) + 1
        errors = np.zeros((self.stream_count, class_count, values.shape[1]))
        if not self.redrawn.size:
            return errors, np.ones((self.stream_count, 1))
        for group in range(class_count):
            members = self.groups == group
            errors[:, group] = values[self.redrawn[:, members]].mean(axis=1) - values[members].mean(axis=0)
        squares = (values**2).mean(axis=1)
        redrawn = np.maximum(squares[self.redrawn].mean(axis=1), 1e-12)
        return errors, np.sqrt(squares.mean() / redrawn)[:, None]


def shuffled_streams(
    labels: NDArray[np.str_],
    rng: np.random.Generator,
    *,
    stream_count: int,
    step_count: int,
    class_limit: int | None = None,
) -> NullStreams:
    """Streams of independent samples with the reference's class mix, or each of ``class_limit`` random classes."""
    names = distinct(labels)
    groups = np.searchsorted(names, labels)
    redrawn = np.empty((stream_count, len(labels)), dtype=np.intp)
    for group in range(len(names)):
        members = np.flatnonzero(groups == group)
        redrawn[:, members] = rng.choice(members, (stream_count, len(members)))
    rows = rng.integers(0, len(labels), (stream_count, step_count))
    if class_limit is not None and class_limit < len(names):
        for stream in range(stream_count):
            chosen = rng.permutation(len(names))[:class_limit]
            picks = rng.integers(0, class_limit, step_count)
            drawn = np.stack([rng.choice(np.flatnonzero(groups == group), step_count) for group in chosen])
            rows[stream] = drawn[picks, np.arange(step_count)]
    return NullStreams(rows=rows, groups=groups.astype(np.intp), redrawn=redrawn)


def recorded_streams(
    labels: NDArray[np.str_],
    recordings: NDArray[np.generic],
    rng: np.random.Generator,
    *,
    stream_count: int,
    step_count: int,
    class_limit: int | None = None,
) -> NullStreams:
    """Streams of whole recordings, each in its order, one after the other in random sequence.

    With ``class_limit`` they are recordings of so many random classes; where every recording shows more classes
    than that, they are any recordings: their own runs of one class are what a limited mix looks like.
    """
    names = distinct(labels)
    groups = np.searchsorted(names, labels)
    identities = distinct(recordings)
    members = [np.flatnonzero(recordings == identity) for identity in identities]
    shown = [distinct(groups[rows]) for rows in members]
    rows = np.empty((stream_count, step_count), dtype=np.intp)
    for stream in range(stream_count):
        pool = np.arange(len(members))
        if class_limit is not None and class_limit < len(names):
            chosen = rng.permutation(len(names))[:class_limit]
            fitting = np.flatnonzero([np.isin(classes, chosen).all() for classes in shown])
            pool = fitting if len(fitting) else pool
        parts: list[NDArray[np.intp]] = []
        length = 0
        while length < step_count:
            for recording in rng.permutation(pool):
                parts.append(members[recording])
                length += len(members[recording])
        rows[stream] = np.concatenate(parts)[:step_count]
    return NullStreams(
        rows=rows, groups=groups.astype(np.intp), redrawn=np.empty((stream_count, 0), dtype=np.intp)
    )


def statistics(
    bank: Bank,
    streams: NullStreams,
    values: FloatArray,
    *,
    copy_count: int = 1,
    shifts: FloatArray | None = None,
) -> FloatArray:
    """Statistics of all streams at all steps, ``(copies * streams, steps)``.

    Args:
        bank: The test, fresh, of so many streams.
        streams: What the streams show.
        values: Score of every reference sample, ``(n, dimensions)``.
        copy_count: How often each stream is shown, the copies one after the other.
        shifts: Added to the scores after the burn-in, ``(copies * streams, dimensions)``.
    """
    paths = np.empty((copy_count * streams.stream_count, streams.rows.shape[1]))
    for step, scores in enumerate(streams.scores(values)):
        copied = np.tile(scores, (copy_count, 1)) if copy_count > 1 else scores
        if shifts is not None and step >= BURN_IN_COUNT:
            copied = copied + shifts
        paths[:, step] = bank.step(copied)
    return paths


def alarm_threshold(paths: FloatArray, budget_predictions: float) -> float:
    """The threshold that a stream crosses once in ``budget_predictions`` steps on average.

    Rare crossings come as a Poisson process: a stream of t steps stays below with probability
    ``exp(-t / budget)``, so this quantile of the streams' highest statistics is the threshold. Where there are too
    few streams for it, their highest statistics are continued as Gumbel's distribution, the limit of maxima.

    Args:
        paths: Statistics of undrifted streams ``(streams, steps)``; the burn-in does not count.
        budget_predictions: At least 1.
    """
    counted = paths[:, BURN_IN_COUNT:]
    counted = counted[:, : max(1, int(min(counted.shape[1], budget_predictions)))]
    highest = counted.max(axis=1)
    quiet_share = float(np.exp(-counted.shape[1] / budget_predictions))
    if quiet_share <= _HIGHEST_QUANTILE:
        return quantile(highest, quiet_share)
    middle, high = (quantile(highest, share) for share in (0.5, _HIGHEST_QUANTILE))
    steepness = (high - middle) / (_gumbel(_HIGHEST_QUANTILE) - _gumbel(0.5))
    return high + steepness * (_gumbel(quiet_share) - _gumbel(_HIGHEST_QUANTILE))


def _gumbel(share: float) -> float:
    return -math.log(-math.log(share))


def random_directions(count: int, dimension_count: int, rng: np.random.Generator) -> FloatArray:
    """Unit vectors, ``(count, dimension_count)``."""
    directions = rng.normal(size=(count, dimension_count))
    return np.asarray(directions / np.linalg.norm(directions, axis=1, keepdims=True))


def mean_delay(paths: FloatArray, threshold: float) -> float:
    """Mean number of steps after the burn-in until the statistic crosses; a stream that never does counts in full."""
    crossed = paths[:, BURN_IN_COUNT:] > threshold
    first = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, crossed.shape[1])
    return float(first.mean())

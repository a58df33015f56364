"""Page-Hinkley is the textbook's: its first alarm falls where river's does."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tinylcm.core.drift.page_hinkley import Direction, PageHinkley

SEEDS = range(15)


def seeded_stream(seed: int) -> np.ndarray:
    """300 to 800 values, then others: a step up or down, a ramp, more noise, or nothing new."""
    rng = np.random.default_rng(seed)
    before = rng.normal(2.5, 0.5, rng.integers(300, 800))
    size = rng.uniform(0.2, 2.0) * rng.choice([-1.0, 1.0])
    count = 1000
    after = [
        rng.normal(2.5 + size, 0.5, count),
        rng.normal(2.5 + np.linspace(0, size, count), 0.5),
        rng.normal(2.5, 0.5 + abs(size), count),
        rng.gamma(4.0, 2.5 / 4, count),
    ][seed % 4]
    return np.concatenate([before, after])


def first_alarm(detector: PageHinkley, values: np.ndarray) -> int | None:
    crossed = (
        index for index, value in enumerate(values) if detector.update(float(value)) > detector.threshold
    )
    return next(crossed, None)


def first_alarm_of_river(values: np.ndarray, *, delta: float, threshold: float, mode: str) -> int | None:
    drift: Any = import_module("river.drift")
    detector = drift.PageHinkley(min_instances=1, delta=delta, threshold=threshold, alpha=1.0, mode=mode)
    for index, value in enumerate(values):
        detector.update(float(value))
        if detector.drift_detected:
            return index
    return None


@pytest.mark.parametrize("direction", ["up", "down", "both"])
@pytest.mark.parametrize(("delta", "threshold"), [(0.005, 50.0), (0.005, 5.0), (0.1, 20.0), (0.25, 12.0)])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_alarm_is_at_the_same_index_as_rivers(
    seed: int, delta: float, threshold: float, direction: Direction
) -> None:
    values = seeded_stream(seed)
    ours = first_alarm(PageHinkley(delta=delta, threshold=threshold, direction=direction), values)
    assert ours == first_alarm_of_river(values, delta=delta, threshold=threshold, mode=direction)


def test_the_streams_of_the_comparison_do_raise_alarms() -> None:
    found = [
        first_alarm(PageHinkley(delta=0.005, threshold=50.0, direction="both"), seeded_stream(seed))
        for seed in SEEDS
    ]
    assert sum(index is not None for index in found) >= 10


def test_the_shift_is_measured_from_the_running_mean() -> None:
    detector = PageHinkley(delta=0.05, threshold=10.0)
    values = [0.0] * 500 + [-2.0] * 20
    index = first_alarm(detector, np.array(values))
    assert index is not None
    assert detector.run_length == index - 499
    assert detector.shift == pytest.approx(-2.0, abs=0.1)

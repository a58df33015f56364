"""The sequential tests themselves: golden alarm indices, and equal results on one stream and on many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tinylcm.core.drift.crosier import CrosierBank, CrosierCusum
from tinylcm.core.drift.cusum import CusumBank, TwoSidedCusum
from tinylcm.core.drift.page_hinkley import PageHinkley, PageHinkleyBank

CROSSINGS: tuple[tuple[Any, float, tuple[int, ...]], ...] = (
    (TwoSidedCusum(slack=0.25, threshold=15.0), 0.5, (533, 545, 573)),
    (TwoSidedCusum(slack=0.25, threshold=15.0), -1.0, (521, 514, 512)),
    (TwoSidedCusum(slack=0.5, threshold=9.0), 2.0, (505, 507, 506)),
    (PageHinkley(delta=0.25, threshold=15.0), 0.5, (533, 539, 571)),
    (PageHinkley(delta=0.25, threshold=15.0), -1.0, (522, 515, 515)),
    (CrosierCusum(dimension_count=8, slack=0.5, threshold=25.0), 0.5, (517, 522, 518)),
    (CrosierCusum(dimension_count=8, slack=1.0, threshold=12.0), -1.0, (505, 505, 506)),
)
"""Test, shift in every dimension from step 500 on, and the step of the first alarm for seeds 0, 1, 2."""


def stream(seed: int, shift: float, dimension_count: int) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(size=(1500, dimension_count))
    scores[500:] += shift
    return scores


def first_alarm(test: Any, scores: np.ndarray) -> int | None:
    test.reset()
    values: Sequence[Any] = scores if hasattr(test, "dimension_count") else scores[:, 0].tolist()
    return next((step for step, value in enumerate(values) if test.update(value) > test.threshold), None)


@pytest.mark.parametrize(("test", "shift", "golden"), CROSSINGS)
def test_alarms_fall_where_they_always_did(test: Any, shift: float, golden: tuple[int, ...]) -> None:
    dimension_count = getattr(test, "dimension_count", 1)
    found = tuple(first_alarm(test, stream(seed, shift, dimension_count)) for seed in range(3))
    assert found == golden


@pytest.mark.parametrize(
    ("make_test", "make_bank", "dimension_count"),
    [
        (lambda slack: TwoSidedCusum(slack=slack, threshold=1.0), CusumBank, 1),
        (lambda slack: PageHinkley(delta=slack, threshold=1.0), PageHinkleyBank, 1),
        (lambda slack: CrosierCusum(dimension_count=5, slack=slack, threshold=1.0), CrosierBank, 5),
    ],
)
def test_many_streams_at_once_give_what_each_gives_alone(
    make_test: Callable[[float], Any], make_bank: Callable[..., Any], dimension_count: int
) -> None:
    slacks = np.array([0.0, 0.25, 1.0, 2.5])
    scores = np.random.default_rng(3).normal(0.1, 1.0, size=(300, len(slacks), dimension_count))
    bank = make_bank(len(slacks), dimension_count, slacks)
    together = np.array([bank.step(step.copy()) for step in scores])
    for column, slack in enumerate(slacks):
        test = make_test(float(slack))
        values = scores[:, column] if dimension_count > 1 else scores[:, column, 0].tolist()
        alone = [test.update(value) for value in values]
        assert together[:, column] == pytest.approx(alone, rel=1e-9, abs=1e-12)


def test_a_vector_cusum_forgets_what_has_no_direction() -> None:
    test = CrosierCusum(dimension_count=4, slack=0.5, threshold=10.0)
    rng = np.random.default_rng(0)
    assert max(test.update(rng.choice([-1.0, 1.0]) * np.ones(4)) for _ in range(50)) > 0
    test.reset()
    assert test.update(np.full(4, 0.2)) == 0.0
    assert test.statistic == 0.0

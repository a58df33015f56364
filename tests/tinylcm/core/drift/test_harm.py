"""How harm is told from a change of the class mix, and when one drift becomes another."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from tests.tinylcm.core.drift.gaussian import CLASSES, alarms, calibration, run, world
from tinylcm.core.drift.attribution import unexplained
from tinylcm.core.drift.calibration import build_monitor
from tinylcm.core.drift.escalation import FIRST_COUNT, Escalation
from tinylcm.core.drift.mix import MixLaw, fit_mix_law
from tinylcm.core.drift.suspicion import SUSPICION_COUNTS, Judgement, Suspicion
from tinylcm.core.drift.thresholds import make_streams, window_limits
from tinylcm.core.drift.window import DriftWindow
from tinylcm.errors import StateError
from tinylcm.records import Alarm, DriftCause, Recovery

LABELS = np.repeat(["bag", "coat", "dress"], 200)
LIMITS = (3.0, 3.0, 1.5)


def mix_law() -> MixLaw:
    return fit_mix_law(LABELS, LABELS)


def judgements(shift: float, count: int = SUSPICION_COUNTS[-1], dimension_count: int = 64) -> list[Judgement]:
    """What a suspicion comes to, of residuals that moved by so much in every dimension and show two classes."""
    suspicion = Suspicion(mix_law(), LIMITS, dimension_count)
    rng = np.random.default_rng(0)
    residuals = rng.normal(size=(count, dimension_count)) + shift
    return [suspicion.judge(index % 2, residual) for index, residual in enumerate(residuals)]


def test_what_the_mix_explains_is_said_to_be_so_at_the_last_length() -> None:
    seen = judgements(0.0)
    assert seen[-1] is Judgement.EXPLAINED
    assert set(seen[:-1]) == {Judgement.OPEN}


@pytest.mark.parametrize(("shift", "length"), [(0.6, SUSPICION_COUNTS[0]), (0.14, SUSPICION_COUNTS[-1])])
def test_harm_is_found_the_sooner_the_larger_it_is(shift: float, length: int) -> None:
    seen = judgements(shift)
    assert seen.index(Judgement.HARM) + 1 == length


def test_it_judges_at_the_three_lengths_and_never_between() -> None:
    seen = judgements(2.0)
    found = [index + 1 for index, judgement in enumerate(seen) if judgement is Judgement.HARM]
    assert tuple(found) == SUSPICION_COUNTS


def test_a_suspicion_that_was_dropped_begins_anew() -> None:
    suspicion = Suspicion(mix_law(), LIMITS, 4)
    for _ in range(SUSPICION_COUNTS[0] - 1):
        suspicion.judge(0, np.full(4, 3.0))
    suspicion.clear()
    assert suspicion.state() == Suspicion(mix_law(), LIMITS, 4).state()
    assert suspicion.judge(0, np.full(4, 3.0)) is Judgement.OPEN


def test_limits_are_kept_by_undrifted_windows_of_any_two_classes_at_every_length() -> None:
    rng = np.random.default_rng(3)
    residuals, mix = rng.normal(size=(len(LABELS), 5)), mix_law()
    classes = (LABELS[:, None] == np.array(mix.classes)).astype(np.float64)
    limits = window_limits(residuals, classes, mix, make_streams(LABELS, None, rng).any_mix)
    assert len(limits) == len(SUSPICION_COUNTS)
    for limit, length in zip(limits, SUSPICION_COUNTS, strict=True):
        exceeded = [_unexplained(rng, mix, length) > limit for _ in range(1000)]
        assert 0 < limit < 6
        assert np.mean(exceeded) < 0.02


def test_a_window_sums_by_class_or_all_together() -> None:
    parts, whole = DriftWindow(2, 3), DriftWindow(2, 3, by_class=False)
    rng = np.random.default_rng(1)
    for index in range(10):
        residual = rng.normal(size=3)
        parts.take(index % 2, residual)
        whole.take(index % 2, residual)
    assert parts.mean == pytest.approx(whole.mean)
    assert (parts.count, whole.count) == (10, 10)
    assert (parts.sums.shape, whole.sums.shape) == ((2, 3), (1, 3))
    restored = DriftWindow(2, 3, by_class=False)
    restored.restore(json.loads(json.dumps(whole.state())))
    assert restored.state() == whole.state()
    assert restored.count == whole.count
    with pytest.raises(StateError):
        parts.restore(whole.state())


def escalates_after(before: float, after: float, count: int = 2000) -> int | None:
    """Steps after the drift's first 300 until it counts as another; None when it never does."""
    escalation, rng = Escalation(6), np.random.default_rng(5)
    shifts = [*np.full(300, before), *np.full(count, after)]
    taken = (escalation.take(rng.normal(size=6) + shift) for shift in shifts)
    return next((step - 299 for step, outgrown in enumerate(taken) if outgrown), None)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0, -2.0])
def test_a_drift_that_stays_or_goes_is_no_other(shift: float) -> None:
    assert escalates_after(shift, shift) is None
    assert escalates_after(shift, 0.0) is None


def test_a_drift_that_grows_or_turns_is_another_one() -> None:
    grown, turned = escalates_after(0.5, 3.0), escalates_after(1.0, -2.0)
    assert grown is not None
    assert 0 < grown < 100
    assert turned is not None
    assert 0 < turned < 150


def test_an_escalation_is_cleared_and_restored() -> None:
    first, second = Escalation(2), Escalation(2)
    for _ in range(FIRST_COUNT + 5):
        first.take(np.array([1.0, 0.0]))
    second.restore(json.loads(json.dumps(first.state())))
    later = [np.array([9.0, 0.0])] * 60
    assert [first.take(item) for item in later] == [second.take(item) for item in later]
    first.clear()
    assert first.state() == Escalation(2).state()


def test_a_drift_that_comes_upon_another_has_its_own_alarm() -> None:
    stream = world().stream((400, 0.0), (400, 0.8), (400, 6.0), (400, 0.0), seed=3)
    weak, end_of_weak, strong, end_of_strong = run(build_monitor(calibration()), stream)
    assert isinstance(weak, Alarm)
    assert isinstance(end_of_weak, Recovery)
    assert isinstance(strong, Alarm)
    assert isinstance(end_of_strong, Recovery)
    assert 400 <= weak.detect_index < 600
    assert 800 <= end_of_weak.recovery_index < strong.detect_index < 900
    assert strong.shift_sigma > 2 * weak.shift_sigma
    assert 1200 <= end_of_strong.recovery_index < 1300


@pytest.mark.parametrize("classes", [(0, 1), (1, 3), (2, 4)])
def test_another_mix_is_no_harm_and_harm_under_another_mix_is(classes: Sequence[int]) -> None:
    usual = world().stream((300, 0.0), seed=11)
    few = world().stream((700, 0.0), seed=12, classes=classes)
    moved = world().stream((300, 1.5), seed=13, classes=classes)
    monitor = build_monitor(calibration())
    before = alarms(run(monitor, [*usual, *few]))
    assert [alarm.cause for alarm in before] == [DriftCause.PRIOR_SHIFT]
    (harm,) = alarms(run(monitor, moved))
    assert harm.cause is not DriftCause.PRIOR_SHIFT


def _unexplained(rng: np.random.Generator, mix: MixLaw, length: int) -> float:
    counts = np.zeros(len(mix.classes))
    counts[rng.permutation(len(CLASSES) - 2)[:2]] = length / 2
    return unexplained(rng.normal(size=(length, 5)).mean(axis=0), counts, mix)

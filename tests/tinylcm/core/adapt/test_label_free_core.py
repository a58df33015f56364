"""The pure parts of adapting without labels: mixes, the free correction, the test on the stream."""

from dataclasses import replace

import numpy as np
import pytest

from tinylcm.core.adapt.free_mix import match_freely
from tinylcm.core.adapt.predicted_mix import PredictedMix
from tinylcm.core.adapt.restandardise import class_moments
from tinylcm.core.adapt.stream_test import (
    StreamRule,
    StreamView,
    first_passed,
    mix_distance,
    stream_objection,
)
from tinylcm.errors import InputError

CENTRES = np.random.default_rng(0).normal(size=(3, 16)) * 2.0
NAMES = ("bag", "coat", "dress")


def drawn(seed: int, shares: tuple[float, float, float], count: int = 300) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    numbers = rng.choice(3, size=count, p=shares)
    return CENTRES[numbers] + rng.normal(size=(count, 16)), [NAMES[number] for number in numbers]


@pytest.mark.parametrize("shares", [(1 / 3, 1 / 3, 1 / 3), (0.7, 0.2, 0.1), (0.05, 0.05, 0.9)])
def test_sensor_and_mix_are_estimated_together(shares: tuple[float, float, float]) -> None:
    moments = class_moments(*drawn(1, (1 / 3, 1 / 3, 1 / 3)))
    values, _ = drawn(2, shares)
    scale, offset = np.linspace(0.8, 1.25, 16), np.linspace(-0.8, 0.8, 16)
    correction, mix = match_freely(values * scale + offset, moments)
    assert [mix[name] for name in NAMES] == pytest.approx(shares, abs=0.07)
    corrected = (values * scale + offset - correction.offset) / correction.scale
    assert np.abs(corrected - values).mean() < 0.35 < np.abs(values * scale + offset - values).mean()


def test_too_small_a_window_is_refused() -> None:
    moments = class_moments(*drawn(1, (1 / 3, 1 / 3, 1 / 3)))
    with pytest.raises(InputError, match="two or more"):
        match_freely(np.zeros((1, 16)), moments)


def test_the_mix_before_a_drift_leaves_out_the_drift_and_what_is_long_ago() -> None:
    mix = PredictedMix(5)
    for index, label in enumerate("aabbccdd"):
        mix.add(index, label)
    assert mix.before(6) == {"b": 1, "c": 2}
    again = PredictedMix.from_state(**mix.state(), frame_count=5)
    assert (again.before(100), again.state()) == (mix.before(100), mix.state())
    assert PredictedMix.from_state(**mix.state(), frame_count=2).before(100) == {"d": 2}
    with pytest.raises(InputError):
        PredictedMix(0)


def view(labels: str, distance: float = 1.0, confidence: float = 0.8) -> StreamView:
    return StreamView(
        labels=tuple(labels),
        distances=np.full(len(labels), distance),
        confidences=np.full(len(labels), confidence),
    )


EXPECTED = {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        (view("ab" * 50, 0.9, 0.83), ""),
        (view("aaab" * 25, 0.9, 0.83), "expected mix"),
        (view("abcd" * 25, 0.9, 0.83), "expected mix"),
        (view("ab" * 50, 0.9), "no clear gain: mean confidence would change by +0.000"),
        (view("ab" * 50, 0.9, 0.79), "no clear gain"),
        (view("ab" * 50, 2.1, 0.83), "would grow by 1.10"),
        (view("ab" * 50, 1.9, 0.83), ""),
    ],
)
def test_each_bound_of_the_stream_test_is_named(after: StreamView, complaint: str) -> None:
    found = stream_objection(view("ab" * 50), after, EXPECTED, StreamRule())
    assert complaint in found
    assert bool(complaint) == bool(found)


def test_a_mix_that_is_found_again_is_a_gain_where_the_vote_stays() -> None:
    before = view("aaaaaaab" * 12)
    assert stream_objection(before, view("ab" * 48, 0.9, 0.79), EXPECTED, StreamRule()) == ""
    assert "no clear gain" in stream_objection(before, view("ab" * 48, 0.9, 0.77), EXPECTED, StreamRule())


def test_frames_may_come_to_lie_far_out_where_the_vote_is_much_surer() -> None:
    near, far = StreamRule(), StreamRule(least_confidence_gain=0.05, most_distance_rise=2.5)
    before = view("ab" * 50)
    assert first_passed(before, view("ab" * 50, 3.0, 0.86), EXPECTED, (near, far)) == (far, "")
    assert first_passed(before, view("ab" * 50, 1.0, 0.86), EXPECTED, (near, far)) == (near, "")
    rule, reason = first_passed(before, view("ab" * 50, 3.0, 0.83), EXPECTED, (near, far))
    assert rule is near
    assert "would grow by 2.00" in reason


def test_what_just_passed_is_not_failed_by_chance_when_it_is_judged_again() -> None:
    rule = StreamRule()
    before, after = view("ab" * 50), view("ab" * 35 + "a" * 30, 2.1, 0.81)
    assert stream_objection(before, after, EXPECTED, rule)
    assert stream_objection(before, after, EXPECTED, rule.eased()) == ""
    worse = view("a" * 100, 2.1, 0.81)
    assert "expected mix" in stream_objection(before, worse, EXPECTED, rule.eased())


def test_chance_alone_does_not_fail_a_short_stream() -> None:
    rng = np.random.default_rng(0)
    shares = dict.fromkeys("abcdefgh", 1 / 8)
    for count, share in ((50, 0.06), (100, 0.01), (400, 0.0)):
        distances = [mix_distance(tuple(rng.choice(list(shares), count)), shares) for _ in range(200)]
        assert np.mean(np.array(distances) > StreamRule().most_mix_distance) <= share


def test_views_of_other_frames_are_refused() -> None:
    with pytest.raises(InputError):
        stream_objection(view("ab"), view("a"), EXPECTED, StreamRule())
    empty = replace(view("a"), labels=(), distances=np.empty(0), confidences=np.empty(0))
    assert (empty.mean_distance, empty.mean_confidence) == (0.0, 0.0)
    with pytest.raises(InputError):
        stream_objection(empty, empty, EXPECTED, StreamRule())

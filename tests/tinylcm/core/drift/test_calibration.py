"""What a calibration promises, and from what."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.tinylcm.core.drift.gaussian import (
    CLASSES,
    GaussianWorld,
    alarms,
    calibration,
    observation,
    run,
    world,
)
from tinylcm.core.drift.bootstrap import alarm_threshold
from tinylcm.core.drift.calibration import Calibration, build_monitor, calibrate, monitor_names
from tinylcm.errors import InputError, StateError
from tinylcm.records import Observation, Prediction

Columns = dict[str, Any]


def test_the_promise_holds_on_average_over_references() -> None:
    """One false alarm in 10,000: ten references, 40,000 samples; at most twice the four that are promised."""
    count = 0
    for seed in range(10):
        one = GaussianWorld(seed)
        undrifted = one.stream((4000, 0.0), seed=100 + seed)
        count += len(alarms(run(build_monitor(one.calibration()), undrifted)))
    assert count <= 8


def test_a_larger_budget_means_higher_thresholds_and_longer_delays() -> None:
    strict, lax = (
        world().calibration(budget_predictions=100_000),
        world().calibration(budget_predictions=1_000),
    )
    for name in strict.limits:
        assert strict.limits[name].threshold >= lax.limits[name].threshold
    name = "feature_residual.crosier"
    assert strict.limits[name].threshold > calibration().limits[name].threshold > lax.limits[name].threshold
    assert strict.limits[name].expected_delays["2.0"] > lax.limits[name].expected_delays["2.0"]


def test_the_channels_of_the_default_share_its_budget() -> None:
    limits = calibration().limits
    for channel, alone in {
        "default.feature_residual": "feature_residual.crosier",
        "default.knn_distance": "knn_distance.cusum",
        "default.class_distribution": "class_distribution.crosier",
    }.items():
        assert limits[channel].threshold > limits[alone].threshold
        assert limits[channel].slack == limits[alone].slack
        assert limits[channel].expected_delays["1.0"] > limits[alone].expected_delays["1.0"]


def test_every_limit_states_the_expected_delays() -> None:
    for limits in calibration().limits.values():
        assert list(limits.expected_delays) == ["0.5", "1.0", "2.0", "3.0"]
        delays = list(limits.expected_delays.values())
        assert delays == sorted(delays, reverse=True)
        assert delays[0] > delays[-1] >= 1


def test_the_expected_delay_is_the_delay_that_is_seen() -> None:
    """Shifts of two standard deviations of the distance, 40 times."""
    law, name = calibration().distance, "knn_distance.cusum"
    expected = calibration().limits[name].expected_delays["2.0"]
    seen = []
    for seed in range(40):
        undrifted = world().stream((240, 0.0), seed=seed)
        shifted = [_farther(item, 2.0 * law.laws[item.prediction.label][1]) for item in undrifted[200:]]
        found = alarms(run(build_monitor(calibration(), name), [*undrifted[:200], *shifted]))
        seen += [one.detect_index - 199 for one in found if one.detect_index >= 200]
    assert len(seen) >= 36
    assert np.mean(seen) == pytest.approx(expected, rel=0.35)


def test_calibrating_again_gives_the_same() -> None:
    assert world().calibration().to_json() == calibration().to_json()
    other = world().calibration(rng=np.random.default_rng(2))
    assert other.limits["feature_residual.crosier"].threshold == pytest.approx(
        calibration().limits["feature_residual.crosier"].threshold, rel=0.1
    )


def test_it_says_what_it_stands_on() -> None:
    made = world().calibration(runtime="ai-edge-litert 2.3.0", budget_predictions=5000)
    stored = Calibration.from_json(json.loads(json.dumps(made.to_json())))
    assert stored.runtime == "ai-edge-litert 2.3.0"
    assert stored.budget_predictions == 5000
    assert stored.sample_count == len(world().knn)
    assert stored.recording_count == 0
    assert "independent" in stored.caveat


def test_without_confidences_no_monitor_looks_at_them() -> None:
    made = world().calibration(confidences=None)
    assert "confidence.cusum" not in monitor_names(made)
    item = world().stream((1, 0.0))[0]
    spoilt = Prediction(
        label=item.prediction.label,
        confidence=float("nan"),
        neighbours=(),
        mean_distance=item.prediction.mean_distance,
    )
    build_monitor(made).update(observation(0, item.point, spoilt))


@pytest.mark.parametrize("count", [2, 12, 60])
def test_a_small_reference_still_calibrates(count: int) -> None:
    rng = np.random.default_rng(count)
    made = calibrate(
        rng.normal(size=(count, 32)).astype(np.float32),
        np.array(["bag", "coat"])[np.arange(count) % 2],
        np.array(["bag", "coat"])[np.arange(count) % 2],
        rng.uniform(1, 2, count),
        confidences=np.ones(count),
        rng=rng,
    )
    monitor = build_monitor(made)
    point = rng.normal(size=32).astype(np.float32)
    assert monitor.update(observation(0, point, _vote())) is None
    json.dumps(made.to_json(), allow_nan=False)


def test_a_single_class_and_equal_distances_still_calibrate() -> None:
    rng = np.random.default_rng(0)
    labels = np.full(50, "bag")
    points = rng.normal(size=(50, 4)).astype(np.float32)
    made = calibrate(points, labels, labels, np.ones(50), confidences=np.ones(50), rng=rng)
    json.dumps(made.to_json(), allow_nan=False)
    monitor = build_monitor(made)
    for index, point in enumerate(rng.normal(size=(300, 4)).astype(np.float32)):
        monitor.update(observation(index, point, _vote()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean_distances": np.ones(3)}, "one length"),
        ({"points": np.ones((1, 6), np.float32)}, "two or more|one length"),
        ({"recordings": np.ones(3)}, "one length"),
        ({"predicted": np.full(500, "hat")}, "hat"),
        ({"mean_distances": np.full(500, np.nan)}, "mean_distances"),
        ({"confidences": np.full(500, np.inf)}, "confidences"),
        ({"points": np.full((500, 6), np.nan, np.float32)}, "points"),
    ],
)
def test_what_cannot_be_calibrated_on_is_refused_by_name(change: Columns, message: str) -> None:
    assert len(world().knn) == 500
    with pytest.raises(InputError, match=message):
        world().calibration(**change)


@pytest.mark.parametrize(
    "key", ["version", "residual", "mix", "limits", "distance", "mix_limit", "window_limits"]
)
def test_a_damaged_calibration_is_refused(key: str) -> None:
    stored = json.loads(json.dumps(calibration().to_json()))
    for damaged in ({**stored, key: "much"}, {name: part for name, part in stored.items() if name != key}):
        with pytest.raises(StateError):
            Calibration.from_json(damaged)


def test_a_threshold_is_crossed_as_often_as_its_budget_says() -> None:
    """Independent maxima: 2,000 streams of 800 counted steps against a budget of 20,000."""
    rng = np.random.default_rng(0)
    paths = rng.exponential(size=(2000, 1000))
    for budget in (2_000.0, 20_000.0, 400_000.0):
        threshold = alarm_threshold(paths, budget)
        assert 1 / np.exp(-threshold) == pytest.approx(budget, rel=0.5)


class Recordings:
    """Ten recordings of each class: neighbours in time are alike, and no two recordings have the same mean."""

    def __init__(self, *, per_class: int = 10, length: int = 60) -> None:
        self.rng = np.random.default_rng(4)
        self.length = length
        self.names = [(label, f"{label}/{row}") for label in CLASSES for row in range(per_class)]
        self.points = np.concatenate([self.record(CLASSES.index(label)) for label, _ in self.names])
        self.labels = np.repeat([label for label, _ in self.names], length)
        self.identities = np.repeat([name for _, name in self.names], length)

    def record(self, index: int) -> np.ndarray:
        """One recording: an offset of its own, and noise that forgets slowly."""
        noise = np.zeros((self.length, 6))
        for step in range(1, self.length):
            noise[step] = 0.8 * noise[step - 1] + 0.6 * self.rng.normal(size=6)
        offset = 0.6 * self.rng.normal(size=6)
        return (world().centres[index] + offset + noise).astype(np.float32)

    def columns(self) -> Columns:
        """Judged by the shared world's samples, which know none of the recordings."""
        observations = world().observe(self.points)
        return {
            "points": self.points,
            "labels": self.labels,
            "predicted": np.array([item.prediction.label for item in observations]),
            "mean_distances": np.array([item.prediction.mean_distance for item in observations]),
            "confidences": np.array([item.prediction.confidence for item in observations]),
            "rng": np.random.default_rng(1),
        }


def test_recordings_replayed_in_order_keep_the_promise_that_shuffling_breaks() -> None:
    recordings = Recordings()
    columns = recordings.columns()
    shuffled = calibrate(**columns)
    replayed = calibrate(**{**columns, "recordings": recordings.identities, "rng": np.random.default_rng(1)})
    fresh = np.concatenate([recordings.record(int(index)) for index in recordings.rng.integers(0, 5, 80)])
    undrifted = world().observe(fresh)
    assert len(alarms(run(build_monitor(shuffled), undrifted))) >= 5
    assert len(alarms(run(build_monitor(replayed), undrifted))) <= 1
    assert replayed.recording_count == 50
    assert replayed.caveat == ""
    moved = world().observe(fresh[:400] + np.float32(3.0), first_index=len(fresh))
    monitor = build_monitor(replayed)
    run(monitor, undrifted)
    assert alarms(run(monitor, moved))


def test_one_recording_of_a_class_is_said_to_promise_nothing() -> None:
    recordings = Recordings(per_class=1)
    made = calibrate(**recordings.columns(), recordings=recordings.identities)
    assert "Only one recording of bag, coat, dress, shirt, sneaker" in made.caveat


def test_two_recordings_of_a_class_are_said_to_be_few() -> None:
    recordings = Recordings(per_class=2)
    made = calibrate(**recordings.columns(), recordings=recordings.identities)
    assert "Few recordings of bag, coat, dress, shirt, sneaker" in made.caveat


def _vote() -> Prediction:
    return Prediction(label="bag", confidence=1.0, neighbours=(), mean_distance=1.5)


def _farther(item: Observation, distance: float) -> Observation:
    prediction = item.prediction
    return observation(
        item.source_index,
        item.point,
        Prediction(
            label=prediction.label,
            confidence=prediction.confidence,
            neighbours=prediction.neighbours,
            mean_distance=prediction.mean_distance + distance,
        ),
    )

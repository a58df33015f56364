"""The distance monitor as the pipeline uses it: one drift, one alarm, one recovery."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from tinylcm.core.drift.calibration import Calibration, build_monitor, calibrate
from tinylcm.core.drift.monitor import Monitor
from tinylcm.errors import InputError, StateError
from tinylcm.records import Alarm, Observation, Prediction, Recovery

MOMENT = datetime(2025, 1, 1, tzinfo=UTC)
LABELS = np.array(["bag", "coat", "dress", "shirt"])


def observation(index: int, distance: float, label: str = "bag") -> Observation:
    point = np.zeros(8, dtype=np.float32)
    prediction = Prediction(label=label, confidence=1.0, neighbours=(), mean_distance=distance)
    return Observation(
        source_index=index, capture_time=MOMENT, embedding=point, point=point, prediction=prediction
    )


def stream(rng: np.random.Generator, shifts: np.ndarray) -> list[Observation]:
    """Distances with mean 3 and deviation 0.5; ``shifts`` in deviations."""
    distances = rng.normal(3.0, 0.5, len(shifts)) + 0.5 * shifts
    labels = rng.choice(LABELS, len(shifts))
    return [
        observation(index, float(distance), str(label))
        for index, (distance, label) in enumerate(zip(distances, labels, strict=True))
    ]


def run(monitor: Monitor, observations: list[Observation]) -> list[Alarm | Recovery]:
    return [report for item in observations if (report := monitor.update(item)) is not None]


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    rng = np.random.default_rng(1)
    labels = rng.choice(LABELS, 1000)
    points = rng.normal(size=(1000, 8)).astype(np.float32)
    return calibrate(points, labels, labels, rng.normal(3.0, 0.5, 1000), rng=rng)


@pytest.mark.parametrize("size", [2.0, -2.0])
def test_a_drift_has_one_alarm_and_one_recovery(calibration: Calibration, size: float) -> None:
    shifts = np.concatenate([np.zeros(1000), np.full(1000, size), np.zeros(1000)])
    alarm, recovery = run(
        build_monitor(calibration, "knn_distance.cusum"), stream(np.random.default_rng(2), shifts)
    )
    assert isinstance(alarm, Alarm)
    assert 1000 <= alarm.detect_index < 1030
    assert abs(alarm.start_index - 1000) < 15
    assert alarm.shift_sigma == pytest.approx(size, rel=0.5)
    assert alarm.statistic > alarm.threshold
    assert isinstance(recovery, Recovery)
    assert 2000 <= recovery.recovery_index < 2100


def test_the_calibration_survives_json(calibration: Calibration) -> None:
    stored = json.loads(json.dumps(calibration.to_json()))
    assert Calibration.from_json(stored).to_json() == stored


def test_a_restored_monitor_goes_on_as_the_first(calibration: Calibration) -> None:
    shifts = np.concatenate([np.zeros(300), np.full(300, 1.0), np.zeros(300)])
    observations = stream(np.random.default_rng(3), shifts)
    expected = run(build_monitor(calibration, "knn_distance.cusum"), observations)
    for cut in (10, 305, 450, 700):
        first, second = (
            build_monitor(calibration, "knn_distance.cusum"),
            build_monitor(calibration, "knn_distance.cusum"),
        )
        reports = run(first, observations[:cut])
        second.restore(json.loads(json.dumps(first.state())))
        assert reports + run(second, observations[cut:]) == expected


def test_a_distance_that_is_not_finite_is_refused_by_name(calibration: Calibration) -> None:
    monitor = build_monitor(calibration, "knn_distance.cusum")
    before = monitor.state()
    with pytest.raises(InputError, match="mean_distance is nan"):
        monitor.update(observation(0, float("nan")))
    assert monitor.state() == before


def test_a_damaged_state_is_refused(calibration: Calibration) -> None:
    monitor = build_monitor(calibration, "knn_distance.cusum")
    before = monitor.state()
    damaged = json.loads(json.dumps(before))
    damaged["channel"]["test"]["upper"] = "much"
    with pytest.raises(StateError, match="upper"):
        monitor.restore(damaged)
    assert monitor.state() == before


def test_readings_show_the_statistic_on_its_way_to_the_alarm(calibration: Calibration) -> None:
    monitor = build_monitor(calibration, "knn_distance.cusum")
    shifts = np.concatenate([np.zeros(300), np.full(100, 2.0)])
    for item in stream(np.random.default_rng(4), shifts):
        report = monitor.update(item)
        reading = max(monitor.readings, key=lambda one: one.statistic / one.threshold)
        if report is not None:
            break
        assert reading.statistic <= reading.threshold or item.source_index < 30
    assert isinstance(report, Alarm)
    assert reading == (report.detector, report.statistic, report.threshold)
    monitor.update(observation(400, 4.0))
    assert all(reading.statistic == 0 for reading in monitor.readings if reading.detector == report.detector)

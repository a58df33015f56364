"""A track keeps what happened to every frame, and its summary says so."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from tinylcm.records import Alarm, DriftType, Observation, Prediction, Recovery
from tinylcm.report.summary import summarise
from tinylcm.report.track import Track

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def observation(index: int, label: str = "bag", distance: float = 2.0) -> Observation:
    point = np.zeros(2, dtype=np.float32)
    return Observation(
        source_index=index,
        capture_time=MOMENT,
        embedding=point,
        point=point,
        prediction=Prediction(label=label, confidence=0.5, neighbours=(), mean_distance=distance),
    )


def alarm(index: int, *, start: int, detector: str = "default") -> Alarm:
    return Alarm(
        detector=detector,
        type=DriftType.COMBINED,
        statistic=6.0,
        threshold=5.0,
        shift_sigma=1.5,
        start_index=start,
        detect_index=index,
    )


def story() -> Track:
    """Ten frames: a drift from 3 to 7, one frame refused within, the truth known up to the eighth."""
    track = Track()
    for index in range(10):
        truth = "bag" if index < 8 else None
        report = {3: alarm(3, start=2), 7: Recovery(detector="default", recovery_index=7)}.get(index)
        if index == 5:
            track.refuse("frame: not finite", truth=truth)
            continue
        predicted = "coat" if index in (3, 4) else "bag"
        readings = [("default.distance", float(index), 5.0)]
        track.add(observation(index, predicted), readings, report, truth=truth)
    return track


def test_a_drift_lasts_from_its_alarm_to_its_recovery() -> None:
    track = story()
    assert np.flatnonzero(track.drifting).tolist() == [3, 4, 5, 6]
    assert [(drift.alarm.detect_index, drift.recovery_index) for drift in track.drifts] == [(3, 7)]


def test_drifts_of_two_detectors_end_by_themselves() -> None:
    track = Track()
    reports = {
        1: alarm(1, start=0, detector="default"),
        2: alarm(2, start=1, detector="default.class_distribution"),
        3: Recovery(detector="default", recovery_index=3),
        5: Recovery(detector="default.class_distribution", recovery_index=5),
    }
    for index in range(7):
        track.add(observation(index), [], reports.get(index), truth=None)
    assert [drift.recovery_index for drift in track.drifts] == [3, 5]
    assert np.flatnonzero(track.drifting).tolist() == [1, 2, 3, 4]


def test_a_refused_frame_leaves_a_gap_in_every_column() -> None:
    track = story()
    for column in (track.distances, track.confidences, track.curves[0].statistics, track.correct):
        assert np.isnan(column[5])
        assert np.isfinite(column[[4, 6]]).all()
    assert track.refusals == [(5, "frame: not finite")]


def test_a_test_that_shows_up_late_or_falls_silent_keeps_its_place() -> None:
    track = Track()
    for index in range(6):
        readings = [("late", 1.0, 2.0)] if index in (2, 4) else []
        track.add(observation(index), readings, None, truth=None)
    (curve,) = track.curves
    assert np.flatnonzero(np.isfinite(curve.statistics)).tolist() == [2, 4]
    assert (curve.detector, curve.threshold, len(curve.statistics)) == ("late", 2.0, 6)


def test_correct_only_where_the_truth_is_known() -> None:
    np.testing.assert_array_equal(
        story().correct, np.array([1, 1, 1, 0, 0, np.nan, 1, 1, np.nan, np.nan], dtype=np.float32)
    )


def test_the_summary_counts_drifts_and_accuracies() -> None:
    summary = summarise(story())
    assert (summary["frame_count"], summary["refused_count"], summary["truth_count"]) == (10, 1, 7)
    assert summary["refusals"] == ["frame 5: frame: not finite"]
    assert summary["drifting_share"] == pytest.approx(0.4)
    assert summary["accuracy"] == pytest.approx(5 / 7)
    assert summary["accuracy_drifting"] == pytest.approx(1 / 3)
    assert summary["accuracy_quiet"] == pytest.approx(1.0)
    (drift,) = summary["drifts"]
    assert (drift["start_index"], drift["detect_index"], drift["recovery_index"]) == (2, 3, 7)
    assert (drift["severity"], drift["cause"]) == ("MEDIUM", None)


def test_nothing_seen_and_nothing_known_are_no_numbers() -> None:
    empty = summarise(Track())
    assert (empty["frame_count"], empty["drifts"], empty["drifting_share"]) == (0, [], 0.0)
    assert empty["accuracy"] is empty["mean_distance"] is empty["accuracy_quiet"] is None

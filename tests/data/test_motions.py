"""The committed motions are what their description says, and every sensor fault does what its name says."""

from __future__ import annotations

import hashlib
import json
import zipfile
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from demo.motions import (
    CHANNELS,
    RECORDINGS_PATH,
    SAMPLES_PER_SECOND,
    TRAINING_PERSONS,
    WINDOW_SAMPLES,
    Recording,
    cut_windows,
    load_motions,
    to_counts,
    unseen,
    write_stream,
)
from demo.sensor_faults import SENSOR_FAULTS
from tools.models.motions import LABELS, SOURCE_MEMBER, read_source, write_recordings


@pytest.fixture(scope="module")
def recordings() -> tuple[Recording, ...]:
    return load_motions()


def test_the_description_names_the_very_file() -> None:
    stated = json.loads(RECORDINGS_PATH.with_suffix(".json").read_text())
    content = RECORDINGS_PATH.read_bytes()
    assert stated["sha256"] == hashlib.sha256(content).hexdigest()
    assert stated["size_bytes"] == len(content) < 1_000_000


def test_ten_persons_did_every_exercise_with_both_arms(recordings: tuple[Recording, ...]) -> None:
    sessions = {key: list(group) for key, group in groupby(recordings, lambda item: item.session_id)}
    assert len(sessions) == 20
    for session in sessions.values():
        assert {recording.label for recording in session} == set(LABELS.values())
        assert len(session) == 7
    assert len({recording.recording_id for recording in recordings}) == 140


def test_a_resting_arm_feels_about_one_gravity(recordings: tuple[Recording, ...]) -> None:
    accelerations = np.concatenate([recording.samples[:, :3] for recording in recordings]) * 4
    assert np.median(np.linalg.norm(accelerations, axis=1)) == pytest.approx(1.0, abs=0.1)


def test_samples_are_shares_of_full_scale_in_order(recordings: tuple[Recording, ...]) -> None:
    for recording in recordings:
        assert recording.samples.dtype == np.float32
        assert recording.samples.shape[1] == len(CHANNELS)
        assert np.abs(recording.samples).max() <= 1
        assert len(recording.samples) > 15 * SAMPLES_PER_SECOND
        # A moving arm is smooth: neighbouring samples differ less than distant ones.
        assert np.abs(np.diff(recording.samples, axis=0)).mean() < np.abs(recording.samples).std()


def test_windows_overlap_in_recording_order() -> None:
    samples = np.arange(80 * 6, dtype=np.float32).reshape(80, 6)
    windows = cut_windows(samples, 12)
    assert windows.shape == (3, WINDOW_SAMPLES, 6)
    np.testing.assert_array_equal(windows[2], samples[24:74])


def test_a_recording_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="window shape"):
        cut_windows(np.zeros((WINDOW_SAMPLES - 1, 6), dtype=np.float32))


def test_the_extractor_never_met_the_unseen(recordings: tuple[Recording, ...]) -> None:
    persons = {recording.person for recording in unseen(recordings)}
    assert persons == {5, 6, 7, 8, 9, 10}
    assert persons.isdisjoint(TRAINING_PERSONS)


def test_counts_clip_at_full_scale() -> None:
    assert to_counts(np.array([0.0, 0.5, 1.0, 7.0, -7.0])).tolist() == [0, 64, 127, 127, -127]


def test_a_wheel_with_another_file_is_refused_before_anything_of_it_is_unpickled(tmp_path: Path) -> None:
    wheel = tmp_path / "seglearn.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(SOURCE_MEMBER, b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(ValueError, match="SHA-256"):
        read_source(wheel)


def test_series_are_averaged_in_pairs_and_ordered_by_person(tmp_path: Path) -> None:
    series = [np.full((5, 6), value) for value in (0.4, 0.8)]
    for part in series:
        part[1] = 0.0
    write_recordings(
        {
            "X": series,
            "y": np.array([1, 0]),
            "y_labels": ["PEN", "ABD"],
            "subject": np.array([2, 1]),
            "side": np.array([0.0, 1.0]),
        },
        tmp_path / "recordings.npz",
    )
    first, second = load_motions(tmp_path / "recordings.npz")
    assert (first.recording_id, second.recording_id) == ("01-right-pendulum", "02-left-abduction")
    np.testing.assert_array_equal(first.samples[:, 0], np.float32([13, 25]) / np.float32(127))
    np.testing.assert_array_equal(first.samples[:, 5], np.float32([6, 13]) / np.float32(127))


@pytest.mark.parametrize("name", SENSOR_FAULTS)
def test_a_fault_changes_the_samples_and_leaves_its_input_alone(
    name: str, recordings: tuple[Recording, ...]
) -> None:
    before = recordings[3].samples.copy()
    faulty = SENSOR_FAULTS[name](recordings[3].samples, np.random.default_rng(0))
    np.testing.assert_array_equal(recordings[3].samples, before)
    assert faulty.dtype == np.float32
    assert faulty.shape == before.shape
    assert np.abs(faulty).max() <= 1
    assert np.abs(faulty - before).mean() > 0.001


@pytest.mark.parametrize("name", sorted(set(SENSOR_FAULTS) - {"noise1", "noise3"}))
def test_a_fault_is_the_same_before_and_after_cutting(name: str, recordings: tuple[Recording, ...]) -> None:
    samples, rng = recordings[40].samples, np.random.default_rng(0)
    np.testing.assert_array_equal(
        cut_windows(SENSOR_FAULTS[name](samples, rng)), SENSOR_FAULTS[name](cut_windows(samples), rng)
    )


def test_the_named_channels_change() -> None:
    samples = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]], dtype=np.float32)

    def after(name: str) -> list[float]:
        return [round(float(value), 3) for value in SENSOR_FAULTS[name](samples, np.random.default_rng(0))[0]]

    assert after("upside-down") == [-0.1, -0.2, 0.3, -0.4, -0.5, 0.6]
    assert after("swapped-axes") == [0.2, 0.1, 0.3, 0.5, 0.4, 0.6]
    assert after("gain1") == [0.12, 0.24, 0.36, 0.4, 0.5, 0.6]
    assert after("bias3") == [0.1, 0.2, 0.45, 0.4, 0.5, 0.6]
    assert after("dead-gyroscope") == [0.1, 0.2, 0.3, 0.0, 0.0, 0.0]


def test_a_stream_tells_the_truth_and_the_session_of_every_window(
    recordings: tuple[Recording, ...], tmp_path: Path
) -> None:
    with np.load(write_stream(tmp_path / "stream.npz", recordings[5:9]), allow_pickle=False) as stored:
        assert stored["frames"].shape[1:] == (WINDOW_SAMPLES, 6)
        first = len(recordings[5].windows())
        np.testing.assert_array_equal(stored["frames"][first], recordings[6].samples[:WINDOW_SAMPLES])
        assert stored["labels"][first - 1 : first + 1].tolist() == [recordings[5].label, recordings[6].label]
        assert len(stored["recordings"]) == len(stored["frames"])
        assert set(stored["recordings"]) == {"01-left", "01-right"}

"""Recordings are judged by other recordings, so that neighbours in time do not flatter each other."""

from __future__ import annotations

import numpy as np
import pytest

from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.errors import InputError
from tinylcm.pipeline.judged import judge_all, judge_recordings, judge_stored
from tinylcm.pipeline.learned import learn


def drawn(recording_count: int, *, spread: float) -> tuple[np.ndarray, list[str], list[str]]:
    """Recordings that each lie ``spread`` away from the others, of three classes with 30 alike samples."""
    rng = np.random.default_rng(5)
    rows, labels, recordings = [], [], []
    for number in range(recording_count):
        offset = spread * rng.normal(size=6)
        for label, centre in (("bag", 0.0), ("coat", 20.0), ("dress", 40.0)):
            rows.append(centre + offset + 0.1 * rng.normal(size=(30, 6)))
            labels += [label] * 30
            recordings += [str(number)] * 30
    return np.concatenate(rows).astype(np.float32), labels, recordings


def test_no_neighbour_comes_from_the_same_recording() -> None:
    points, labels, recordings = drawn(4, spread=1.0)
    knn = LightweightKNN(400, 6)
    for row, point in enumerate(points):
        knn.add(point, labels[row], f"reference/{row}", trusted=True)
    recording_of = {f"reference/{row}": recording for row, recording in enumerate(recordings)}
    judged = judge_recordings(knn, points, labels, recordings, recording_of)
    assert len(judged.predictions) == len(points)
    for recording, prediction in zip(recordings, judged.predictions, strict=True):
        assert recording not in {recording_of[one.sample_id] for one in prediction.neighbours}


def test_every_point_is_judged_and_none_by_itself() -> None:
    points, labels, _ = drawn(2, spread=1.0)
    ids = [f"reference/{row}" for row in range(len(points))]
    knn = LightweightKNN(400, 6)
    for row in range(0, len(points), 2):
        knn.add(points[row], labels[row], ids[row], trusted=True)
    judged = judge_all(knn, points, labels, ids)
    assert len(judged.predictions) == len(judged.labels) == len(points)
    assert judged.predictions[::2] == list(judge_stored(knn).predictions)
    assert judged.predictions[1] == knn.predict(points[1])
    for own, prediction in zip(ids, judged.predictions, strict=True):
        assert own not in {one.sample_id for one in prediction.neighbours}


def test_calibration_expects_what_a_new_recording_brings() -> None:
    embeddings, labels, recordings = drawn(6, spread=1.0)
    as_one, apart = (
        learn(
            embeddings,
            labels,
            component_count=4,
            capacity=300,
            recordings=known,
            rng=np.random.default_rng(0),
            runtime="r",
        ).calibration
        for known in (None, recordings)
    )
    assert (as_one.recording_count, apart.recording_count) == (0, 6)
    assert apart.sample_count == as_one.sample_count == len(embeddings) > 300
    for label in ("bag", "coat", "dress"):
        assert apart.distance.laws[label][0] > 3 * as_one.distance.laws[label][0]


def test_one_recording_alone_is_refused() -> None:
    embeddings, labels, _ = drawn(2, spread=1.0)
    with pytest.raises(InputError, match="two or more recordings"):
        learn(
            embeddings,
            labels,
            component_count=4,
            capacity=300,
            recordings=["1"] * len(labels),
            rng=np.random.default_rng(0),
            runtime="r",
        )

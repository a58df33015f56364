"""Undrifted streams made of whole recordings."""

import numpy as np

from tinylcm.core.drift.bootstrap import recorded_streams

RECORDINGS = np.repeat(["a", "b", "c", "d"], 25)


def test_recordings_are_replayed_whole_and_in_order() -> None:
    labels = np.repeat(["bag", "coat", "bag", "coat"], 25)
    streams = recorded_streams(labels, RECORDINGS, np.random.default_rng(0), stream_count=6, step_count=80)
    for rows in streams.rows:
        assert {tuple(np.diff(part)) for part in np.split(rows[:75], 3)} == {(1,) * 24}
        assert len({RECORDINGS[part[0]] for part in np.split(rows[:75], 3)}) == 3


def test_few_classes_are_shown_by_their_own_recordings() -> None:
    labels = np.repeat(["bag", "coat", "dress", "shirt"], 25)
    streams = recorded_streams(
        labels, RECORDINGS, np.random.default_rng(1), stream_count=20, step_count=60, class_limit=2
    )
    assert all(len(np.unique(labels[rows])) == 2 for rows in streams.rows)


def test_recordings_that_all_show_more_classes_are_shown_as_they_are() -> None:
    labels = np.tile(np.repeat(["bag", "coat", "dress", "shirt", "trouser"], 5), 4)
    streams = recorded_streams(
        labels, RECORDINGS, np.random.default_rng(2), stream_count=5, step_count=100, class_limit=2
    )
    assert all(sorted(rows.tolist()) == list(range(100)) for rows in streams.rows)

"""From an alarm to the samples that people see."""

from dataclasses import replace

import numpy as np
import pytest

from tests.tinylcm.pipeline.world import MODEL, NOVEL, SETTINGS, START, World, draw
from tinylcm.errors import InputError
from tinylcm.pipeline.learned import LearnedState
from tinylcm.pipeline.recent import RecentFrames
from tinylcm.records import DriftCause, Observation, Prediction


def test_ordinary_frames_lead_to_nothing_but_a_rare_far_one(world: World) -> None:
    outcomes = world.see(*draw(np.random.default_rng(5), 300))
    assert not any(outcome.drift_events or outcome.adaptations for outcome in outcomes)
    assert not world.samples
    assert len(world.far) <= len(world.quarantine) <= 3
    assert world.pipeline.open_event is None


def test_a_drift_is_one_event_with_bounded_evidence(world: World) -> None:
    world.in_novel_drift()
    (event,) = world.events
    assert 150 <= event.alarm.detect_index < 200
    assert event.alarm.start_index <= event.alarm.detect_index
    assert event.start_time <= event.detect_time
    assert event.model == MODEL
    assert event.recovery_index is None
    assert len(world.samples) == SETTINGS.evidence_sample_count
    assert {sample.drift_event_id for sample in world.samples} == {event.drift_event_id}
    assert len({sample.sample_id for sample in world.samples}) == len(world.samples)


def test_evidence_reaches_back_to_the_start_and_shows_the_new_class(world: World) -> None:
    world.in_novel_drift()
    event = world.events[0]
    indices = [sample.observation.source_index for sample in world.samples]
    assert event.alarm.start_index < event.alarm.detect_index
    quarantined = [sample.observation.source_index for sample in world.quarantine.samples()]
    assert quarantined == list(range(event.alarm.start_index, len(world.truth)))
    assert set(indices) <= set(quarantined)
    seen = [world.truth[index] for index in indices]
    assert seen.count(NOVEL) >= 5
    assert len(set(seen)) >= 3


def test_evidence_carries_all_a_reviewer_needs(world: World) -> None:
    world.in_novel_drift()
    for sample in world.samples:
        observation = sample.observation
        assert sample.model == MODEL
        assert sample.image is not None
        assert sample.image.content == observation.embedding.tobytes()  # its own picture, not a neighbour's
        assert len(observation.prediction.neighbours) == 5
        assert observation.embedding.shape == (12,)
        assert observation.point.shape == (8,)
    novel = [s.distance_score for s in world.samples if world.truth[s.observation.source_index] == NOVEL]
    known = [s.distance_score for s in world.samples if world.truth[s.observation.source_index] != NOVEL]
    assert np.median(novel) > 3 > np.median(known)


def test_pictures_are_kept_no_longer_than_needed(world: World) -> None:
    world.in_novel_drift()
    assert len(world.quarantine) > SETTINGS.evidence_sample_count
    assert all(sample.image is None for sample in world.quarantine.samples())


def test_a_drift_that_ends_early_still_hands_out_what_it_left(learned: LearnedState) -> None:
    world = World(learned, settings=replace(SETTINGS, collect_sample_count=10_000))
    world.in_novel_drift(drifted_count=60)
    assert not world.samples
    world.see(*draw(np.random.default_rng(6), 400))
    opened, recovered = world.events
    assert recovered.drift_event_id == opened.drift_event_id
    assert recovered.recovery_index is not None
    assert recovered.recovery_time is not None
    assert len(world.samples) == SETTINGS.evidence_sample_count
    assert world.pipeline.open_event is None


def test_a_change_of_the_class_mix_alone_asks_nobody_for_labels(world: World) -> None:
    rng = np.random.default_rng(5)
    world.see(*draw(rng, 150))
    world.see(*draw(rng, 300, classes=("coat",)))
    assert {event.alarm.cause for event in world.events} == {DriftCause.PRIOR_SHIFT}
    assert not world.samples
    assert len(world.quarantine) == 0


def test_frames_after_the_evidence_are_quarantined_within_bounds(world: World) -> None:
    world.in_novel_drift(drifted_count=400)
    assert len(world.quarantine) == world.quarantine.capacity
    assert len(world.samples) == SETTINGS.evidence_sample_count


def test_a_refused_frame_changes_nothing(world: World) -> None:
    world.see(*draw(np.random.default_rng(5), 50))
    before = world.pipeline.monitor.state()
    for content, complaint in (
        (np.zeros(11, np.float32), "shape"),
        (np.full(12, np.nan, np.float32), "finite"),
    ):
        with pytest.raises(InputError, match=complaint):
            world.see(content[None], ["coat"])
    assert world.pipeline.monitor.state() == before


def _observation(index: int) -> Observation:
    vector = np.zeros(2, dtype=np.float32)
    prediction = Prediction(label="coat", confidence=1.0, neighbours=(), mean_distance=1.0)
    return Observation(
        source_index=index, capture_time=START, embedding=vector, point=vector, prediction=prediction
    )


def test_recent_frames_are_bounded_by_count_and_by_bytes_of_content() -> None:
    recent = RecentFrames(frame_count=5, size_bytes=300)
    for index in range(9):
        recent.add(_observation(index), np.zeros(100, dtype=np.uint8))
    frames = recent.since(0)
    assert [frame.observation.source_index for frame in frames] == [4, 5, 6, 7, 8]
    assert [frame.content is not None for frame in frames] == [False, False, True, True, True]
    assert [frame.observation.source_index for frame in recent.since(7)] == [7, 8]
    recent.add(_observation(9), np.zeros(1000, dtype=np.uint8))
    assert all(frame.content is None for frame in recent.since(0))
    recent.clear()
    assert (len(recent), recent.newest_index) == (0, None)
    recent.add(_observation(10), np.zeros(300, dtype=np.uint8))
    assert recent.since(0)[0].content is not None

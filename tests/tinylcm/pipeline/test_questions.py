"""Asking without an alarm: at a low rate, within bounds, and so that a class which raises no alarm is learned."""

from dataclasses import replace

import numpy as np

from tests.tinylcm.pipeline.world import CENTRES, NOVEL, SETTINGS, World, draw, state_through_json
from tinylcm.core.drift.monitor import Monitor
from tinylcm.pipeline.learned import LearnedState
from tinylcm.records import Alarm, Observation, Recovery

ASKING = replace(
    SETTINGS,
    question_frame_count=50,
    question_count=10,
    open_question_count=25,
    question_expire_frames=300,
    far_sample_most_share=0.4,
    far_sample_least_sigma=1e9,
)


class _Deaf:
    """The real monitor with its alarms unheard: what a drift looks like that raises none."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.name, self.drifting = monitor.name, False
        self.reset, self.state, self.restore = monitor.reset, monitor.state, monitor.restore

    def update(self, observation: Observation) -> Alarm | Recovery | None:
        self._monitor.update(observation)
        return None


def asking(learned: LearnedState) -> World:
    world = World(learned, settings=ASKING)
    world.pipeline._transactions.monitor = _Deaf(world.pipeline.monitor)
    return world


def test_a_block_leaves_its_few_representatives_with_their_pictures(learned: LearnedState) -> None:
    world = asking(learned)
    world.see(*draw(np.random.default_rng(3), 49))
    assert not world.far
    world.see(*draw(np.random.default_rng(4), 1))
    assert len(world.far) == 10
    for sample in world.far:
        assert sample.image is not None
        assert sample.image.content == sample.observation.embedding.tobytes()
    kept = world.quarantine.samples({""})
    assert {sample.sample_id for sample in world.far} <= {sample.sample_id for sample in kept}
    assert len(kept) == 50
    assert all(sample.image is None for sample in kept)


def test_what_is_kept_is_bounded_and_the_newest(learned: LearnedState) -> None:
    world = asking(learned)
    world.see(*draw(np.random.default_rng(3), 100))
    kept = [sample.observation.source_index for sample in world.quarantine.samples({""})]
    assert len(kept) == world.quarantine.capacity * 0.4
    assert sorted(kept) == list(range(40, 100))


def test_questions_wait_for_answers_and_are_given_up_in_the_end(learned: LearnedState) -> None:
    world = asking(learned)
    world.see(*draw(np.random.default_rng(3), 250))
    assert len(world.far) == 25, "two blocks and a half: the third may ask five"
    world.pipeline.apply_feedback([world.judge(sample) for sample in world.far[:7]])
    world.pipeline._transactions.monitor = _Deaf(world.pipeline.monitor)
    world.see(*draw(np.random.default_rng(4), 50))
    assert len(world.far) == 32
    world.see(*draw(np.random.default_rng(5), 200))
    assert len(world.far) > 32, "what was asked first is given up"


def test_open_questions_survive_a_restart(learned: LearnedState) -> None:
    world = asking(learned)
    world.see(*draw(np.random.default_rng(3), 150))
    again = World(learned, settings=ASKING, clock=world.clock, truth=list(world.truth))
    again.pipeline.restore(*state_through_json(world.pipeline))
    again.see(*draw(np.random.default_rng(4), 50))
    assert not again.far


def test_frames_of_a_drift_are_left_to_its_evidence(learned: LearnedState) -> None:
    world = World(learned, settings=ASKING).in_novel_drift()
    assert world.events
    start = world.events[0].alarm.start_index
    assert all(sample.observation.source_index < start for sample in world.quarantine.samples({""}))


def test_a_class_that_raises_no_alarm_is_learned_from_the_answers(learned: LearnedState) -> None:
    world = asking(learned)
    world.see(*draw(np.random.default_rng(6), 150, novel_share=0.3))
    assert not world.events
    test = draw(np.random.default_rng(7), 200, classes=(NOVEL,))
    assert world.accuracy(*test) == 0.0
    result = world.pipeline.apply_feedback([world.judge(sample) for sample in world.far])
    assert result.effect is not None
    assert result.effect.propagated_sample_count > 0
    assert NOVEL in world.pipeline.learned.class_names
    novel = (CENTRES[NOVEL] + np.random.default_rng(8).normal(size=(200, 12))).astype(np.float32)
    assert world.accuracy(novel, [NOVEL] * 200) > 0.6
    known = draw(np.random.default_rng(9), 200)
    assert world.accuracy(*known) > World(learned).accuracy(*known) - 0.03

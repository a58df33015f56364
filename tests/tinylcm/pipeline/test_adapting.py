"""Frames go on while an adaptation is computed; it counts as a whole, when it is ready, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tests.tinylcm.pipeline.test_self_adaptation import ALONE, known_state, shifted
from tests.tinylcm.pipeline.world import World, draw
from tinylcm.errors import InputError
from tinylcm.pipeline.adapting import Adapted, Adapting, Inline, Steps
from tinylcm.pipeline.learned import LearnedState
from tinylcm.records import AdaptationState, FeedbackOutcome, Mode


class Slow:
    """A worker that does its work when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Later] = []

    def submit(self, work: Callable[[], Any], /) -> Later:
        self.waiting.append(Later(work))
        return self.waiting[-1]

    def do(self) -> None:
        """Does what waits."""
        while self.waiting:
            later = self.waiting.pop()
            later.kept = Inline().submit(later.work)


@dataclass
class Later:
    work: Callable[[], Any]
    kept: Any = field(default=None)

    def done(self) -> bool:
        return self.kept is not None

    def result(self) -> Any:
        assert self.kept is not None, "nobody should wait for it"
        return self.kept.result()


def finish(world: World, worker: Slow) -> Adapted:
    """Does the work, as often as there is more of it."""
    while True:
        worker.do()
        if (adapted := world.pipeline.finish(wait=False)) is not None:
            return adapted


def test_frames_go_on_with_the_old_knowledge_while_people_are_learned_from(learned: LearnedState) -> None:
    worker = Slow()
    at_once, beside = World(learned).in_novel_drift(), World(learned, worker=worker).in_novel_drift()
    items = [at_once.judge(sample) for sample in at_once.samples]
    answers = at_once.pipeline.apply_feedback(items)
    own = [beside.judge(sample) for sample in beside.samples]
    assert beside.pipeline.begin_feedback(own) is None
    frames = draw(np.random.default_rng(9), 20)
    seen = beside.see(*frames)
    assert beside.pipeline.is_adapting
    assert len(seen) == 20
    assert beside.pipeline.learned is learned
    assert beside.pipeline.finish(wait=False) is None

    adapted = finish(beside, worker)
    assert {answer.outcome for answer in adapted.acknowledgements} == {FeedbackOutcome.APPLIED}
    assert len(adapted.acknowledgements) == len(answers.acknowledgements)
    assert adapted.drift_events[0].recovery_index == len(beside.truth) - 1
    assert not beside.pipeline.is_adapting
    assert not beside.pipeline.monitor.drifting
    one, other = at_once.pipeline.learned, beside.pipeline.learned
    meanwhile = other.calibration.sample_count - one.calibration.sample_count
    assert meanwhile == len(seen), "the monitors also learn what is normal from what came meanwhile"
    np.testing.assert_array_equal(one.knn.points, other.knn.points)


def in_slow_drift(learned: LearnedState, worker: Slow) -> World:
    """A moved sensor, and a device alone that has just begun to try what it can do about it."""
    world = World(learned, mode=Mode.AUTONOMOUS, settings=ALONE, worker=worker)
    world.see(*draw(np.random.default_rng(5), 150))
    for embedding, label in zip(*shifted(6, 200), strict=True):
        world.see(embedding[None], [label])
        if world.pipeline.is_adapting:
            return world
    raise AssertionError("nothing was tried")


def test_a_change_without_labels_is_put_on_probation_when_it_is_ready(learned: LearnedState) -> None:
    worker = Slow()
    world = in_slow_drift(learned, worker)
    before = known_state(world)[1]
    world.see(*shifted(7, 30))
    assert known_state(world)[1] == before
    adapted = finish(world, worker)
    assert [one.state for one in adapted.adaptations] == [AdaptationState.COMMITTED]
    assert world.pipeline.on_probation

    world.see(*shifted(8, ALONE.probation_frame_count + 5))
    assert world.pipeline.on_probation, "it is judged, and frames go on"
    assert world.pipeline.is_adapting
    confirmed = finish(world, worker)
    assert [one.state for one in confirmed.adaptations] == [AdaptationState.CONFIRMED]
    assert confirmed.drift_events[0].recovery_index == len(world.truth) - 1
    assert world.pipeline.open_event is None


def test_a_change_for_a_drift_that_has_ended_is_refused(learned: LearnedState) -> None:
    worker = Slow()
    world = in_slow_drift(learned, worker)
    known = world.pipeline.learned
    world.see(*draw(np.random.default_rng(12), 150))
    assert world.pipeline.open_event is None
    adapted = finish(world, worker)
    (refused,) = adapted.adaptations
    assert (refused.state, refused.reason) == (
        AdaptationState.REFUSED,
        "the drift ended before the change was ready",
    )
    assert world.pipeline.learned is known
    assert not world.pipeline.on_probation


def test_two_adaptations_never_run_at_once(learned: LearnedState) -> None:
    worker = Slow()
    world = in_slow_drift(learned, worker)
    with pytest.raises(RuntimeError, match="under way"):
        world.pipeline.begin_feedback([])


def test_an_error_of_the_work_reaches_the_step_that_asked_for_it() -> None:
    def fail() -> None:
        raise InputError("too little")

    def forgiving() -> Steps:
        with pytest.raises(InputError, match="too little"):
            yield fail
        return Adapted(changed=True)

    def strict() -> Steps:
        yield fail
        return Adapted()

    adapting = Adapting(Inline())
    adapted = adapting.begin(forgiving())
    assert adapted is not None
    assert adapted.changed
    with pytest.raises(InputError, match="too little"):
        adapting.begin(strict())
    assert not adapting.is_busy, "it has failed, and another may begin"

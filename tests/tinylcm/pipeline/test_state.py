"""What a device was about to do survives a restart; what is damaged or another's is refused whole."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.tinylcm.pipeline.world import MODEL, World, draw, state_through_json
from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.errors import StateError
from tinylcm.pipeline.learned import LearnedState


def restarted(world: World, **changes: Any) -> World:
    """Another process: the bundle's own state, then the snapshot."""
    kept = {"clock": world.clock, "truth": list(world.truth), "item_count": world.item_count}
    again = World(world.learned, **(kept | changes))
    again.pipeline.restore(*state_through_json(world.pipeline))
    return again


def assert_same_state(one: World, other: World) -> None:
    (first, first_arrays), (second, second_arrays) = (
        state_through_json(world.pipeline) for world in (one, other)
    )
    assert first == second
    assert first_arrays.keys() == second_arrays.keys()
    assert all(np.array_equal(first_arrays[name], second_arrays[name]) for name in first_arrays)


def test_a_fresh_state_round_trips(world: World) -> None:
    assert_same_state(restarted(world), world)


def test_a_state_in_the_middle_of_a_drift_goes_on_where_it_was(world: World) -> None:
    world.in_novel_drift(drifted_count=70)
    assert world.events
    assert not world.samples
    again = restarted(world)
    assert_same_state(again, world)
    rest = draw(np.random.default_rng(6), 60, novel_share=0.4)
    for each in (world, again):
        each.see(*rest)
    assert again.pipeline.open_event is not None
    assert [s.observation.source_index for s in again.samples] == [
        s.observation.source_index for s in world.samples
    ]
    assert again.samples
    assert all(sample.image is not None for sample in again.samples)


def test_an_adapted_state_keeps_classifier_monitors_and_answers(world: World) -> None:
    world.in_novel_drift()
    items = [world.judge(sample) for sample in world.samples]
    first = world.pipeline.apply_feedback(items)
    again = restarted(world)
    assert_same_state(again, world)
    assert again.pipeline.adaptation_count == 1
    assert again.pipeline.apply_feedback(items).acknowledgements == first.acknowledgements
    assert again.pipeline.adaptation_count == 1
    test = draw(np.random.default_rng(77), 100, novel_share=0.4)
    assert again.accuracy(*test) == world.accuracy(*test)


def test_memory_of_answers_is_bounded(learned: LearnedState) -> None:
    world = World(
        learned, settings=replace(World(learned).settings, applied_feedback_count=10)
    ).in_novel_drift()
    world.pipeline.apply_feedback([world.judge(sample) for sample in world.samples])
    meta, _ = world.pipeline.state()
    assert len(meta["answered"]["answers"]) == 10


def test_another_bundle_is_refused_by_name(world: World) -> None:
    meta, arrays = state_through_json(world.pipeline)
    other = world.new_pipeline(replace(MODEL, bundle_sha256="ff" * 32))
    with pytest.raises(StateError, match=f"expected state of bundle {'ff' * 32}"):
        other.restore(meta, arrays)


@pytest.mark.parametrize(
    "damage",
    [
        lambda meta, arrays: meta.update(version=7),
        lambda meta, arrays: meta.pop("monitor"),
        lambda meta, arrays: meta["monitor"].clear(),
        lambda meta, arrays: meta["learned"].pop("knn"),
        lambda meta, arrays: meta["evidence"].pop("event"),
        lambda meta, arrays: meta["evidence"]["event"].pop("alarm"),
        lambda meta, arrays: meta["quarantine"]["samples"].pop(),
        lambda meta, arrays: meta["quarantine"]["samples"][0].pop("neighbours"),
        lambda meta, arrays: meta["judgements"].pop("judged"),
        lambda meta, arrays: meta["answered"].update(answers=[{}]),
        lambda meta, arrays: meta.pop("normal_since"),
        lambda meta, arrays: arrays.pop("quarantine.embeddings"),
        lambda meta, arrays: arrays.update(
            {"quarantine.picture_sizes": arrays["quarantine.picture_sizes"] + 1}
        ),
        lambda meta, arrays: arrays["quarantine.points"].__setitem__((0, 0), np.inf),
        lambda meta, arrays: arrays.pop("learned.knn.points"),
    ],
)
def test_damaged_state_is_refused_and_changes_nothing(world: World, damage: Any) -> None:
    world.in_novel_drift(drifted_count=70)
    meta, arrays = state_through_json(world.pipeline)
    damage(meta, arrays)
    other = World(world.learned, clock=world.clock)
    other.see(*draw(np.random.default_rng(5), 20))
    before = state_through_json(other.pipeline)
    with pytest.raises(StateError):
        other.pipeline.restore(meta, arrays)
    after = state_through_json(other.pipeline)
    assert after[0] == before[0]
    assert all(np.array_equal(after[1][name], before[1][name]) for name in before[1])


def test_a_smaller_quarantine_takes_the_newest(world: World) -> None:
    world.in_novel_drift()
    world.quarantine = Quarantine(capacity=10)
    meta, arrays = state_through_json(world.pipeline)
    smaller = world.new_pipeline()
    smaller.restore(meta, arrays)
    assert len(world.quarantine) == 10

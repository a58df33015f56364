"""A device alone: what it tries, what it refuses, what it watches and takes back, and that people win."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.tinylcm.pipeline.world import CENTRES, KNOWN, NOVEL, SETTINGS, World, draw, state_through_json
from tinylcm.core.adapt.stream_test import StreamRule
from tinylcm.errors import StateError
from tinylcm.pipeline.judgements import Guess
from tinylcm.pipeline.knowledge import Knowledge
from tinylcm.pipeline.label_free import LabelFree
from tinylcm.pipeline.learned import LearnedState
from tinylcm.pipeline.modes import permissions
from tinylcm.records import Adaptation, AdaptationKind, AdaptationState, Decision, DriftCause, Mode

ALONE = replace(SETTINGS, collect_sample_count=120, probation_frame_count=60, least_mix_frame_count=100)
OFFSET = 0.6 * (CENTRES["dress"] - CENTRES["coat"])
COMMITTED, CONFIRMED = AdaptationState.COMMITTED, AdaptationState.CONFIRMED
REFUSED, ROLLED_BACK = AdaptationState.REFUSED, AdaptationState.ROLLED_BACK


def shifted(
    seed: int, count: int, *, classes: Sequence[str] = KNOWN, novel_share: float = 0.0
) -> tuple[np.ndarray[Any, np.dtype[np.float32]], list[str]]:
    """Embeddings after the sensor moved."""
    embeddings, labels = draw(np.random.default_rng(seed), count, classes=classes, novel_share=novel_share)
    return (embeddings + OFFSET).astype(np.float32), labels


def in_sensor_drift(learned: LearnedState, **changes: Any) -> World:
    """Ordinary frames, then shifted ones until something was tried or 200 were seen."""
    world = World(learned, **({"mode": Mode.AUTONOMOUS, "settings": ALONE} | changes))
    world.see(*draw(np.random.default_rng(5), 150))
    for embedding, label in zip(*shifted(6, 200), strict=True):
        world.see(embedding[None], [label])
        if world.adaptations:
            break
    return world


def known_state(world: World) -> tuple[str, dict[str, bytes]]:
    """All that an adaptation may replace, as bytes."""
    meta, arrays = state_through_json(world.pipeline)
    parts = {name: meta[name] for name in ("learned", "judgements", "monitor", "normal_since")}
    kept = {name: array.tobytes() for name, array in arrays.items() if name.split(".")[0] in parts}
    return json.dumps(parts, sort_keys=True), kept


def states(adaptations: Sequence[Adaptation]) -> list[AdaptationState]:
    return [adaptation.state for adaptation in adaptations]


def test_a_moved_sensor_is_corrected_without_labels_and_confirmed(learned: LearnedState) -> None:
    world = in_sensor_drift(learned)
    assert world.events[0].alarm.cause is DriftCause.COVARIATE_SHIFT
    test = shifted(77, 300)
    before = World(learned).accuracy(*test)
    assert states(world.adaptations) == [COMMITTED]
    assert world.pipeline.on_probation
    assert world.pipeline.open_event is not None
    world.see(*shifted(7, 100))
    committed, confirmed = world.adaptations
    assert (committed.kind, confirmed.state) == (AdaptationKind.SENSOR_CORRECTION, CONFIRMED)
    assert committed.adaptation_id == confirmed.adaptation_id
    assert committed.drift_event_id == world.events[0].drift_event_id
    assert confirmed.effect is not None
    assert confirmed.effect.stream_sample_count == 60
    assert world.pipeline.adaptations == (confirmed,)
    assert world.events[-1].recovery_index is not None
    assert world.pipeline.open_event is None
    assert world.accuracy(*test) > before + 0.04
    count = len(world.events)
    world.see(*shifted(8, 300))
    assert len(world.events) == count, "the corrected stream is the normal one now"


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.AUTONOMOUS])
def test_in_other_modes_nothing_is_tried(learned: LearnedState, mode: Mode) -> None:
    world = in_sensor_drift(learned, mode=mode)
    assert world.events
    assert not world.adaptations
    assert world.pipeline.learned is learned


def test_a_single_class_after_the_drift_tells_nothing_and_changes_nothing(learned: LearnedState) -> None:
    world = World(learned, mode=Mode.AUTONOMOUS, settings=ALONE)
    world.see(*draw(np.random.default_rng(5), 150))
    world.see(*shifted(6, 200, classes=("coat",)))
    assert states(world.adaptations) == [REFUSED, REFUSED]
    assert all(one.reason and one.effect and one.sample_ids for one in world.adaptations)
    assert "too few" in world.adaptations[1].reason
    assert world.pipeline.learned is learned


def test_a_change_that_fails_on_probation_is_taken_back_to_the_byte(learned: LearnedState) -> None:
    world = World(learned, mode=Mode.AUTONOMOUS, settings=ALONE)
    world.see(*draw(np.random.default_rng(5), 150))
    embeddings, labels = shifted(6, 200)
    before = known_state(world)
    for embedding, label in zip(embeddings, labels, strict=True):
        before = known_state(world)
        world.see(embedding[None], [label])
        if world.adaptations:
            break
    event = world.pipeline.open_event
    assert known_state(world) != before
    world.see(*shifted(9, 100, classes=("coat",)))  # one class only: the assumed mix does not hold
    rolled_back = world.adaptations[-1]
    assert rolled_back.state is ROLLED_BACK
    assert "expected mix" in rolled_back.reason
    learned_meta, _ = world.pipeline.learned.parts()
    assert json.dumps(json.loads(before[0])["learned"], sort_keys=True) == json.dumps(
        json.loads(json.dumps(learned_meta)), sort_keys=True
    )
    assert known_state(world)[1] == before[1]
    assert world.pipeline.open_event is event, "the drift lasts"
    assert world.pipeline.monitor.drifting


def test_taking_back_at_once_restores_the_monitor_to_the_byte(learned: LearnedState) -> None:
    world = in_sensor_drift(learned)
    probation = world.pipeline._transactions.probation
    assert probation is not None
    kept = json.dumps(probation.monitor_state, sort_keys=True), probation.before.parts()
    world.pipeline._transactions.roll_back("a test says so")
    assert json.dumps(world.pipeline.monitor.state(), sort_keys=True) == kept[0]
    meta, arrays = Knowledge.parts(world.pipeline._transactions.knowledge)
    assert meta == kept[1][0]
    assert all(np.array_equal(arrays[name], kept[1][1][name]) for name in arrays)
    assert world.pipeline.adaptations[-1].state is ROLLED_BACK


@pytest.mark.parametrize("seen_since", [0, 30])
def test_a_restart_on_probation_goes_on_with_it(learned: LearnedState, seen_since: int) -> None:
    world = in_sensor_drift(learned)
    if seen_since:
        world.see(*shifted(7, seen_since))
    again = World(learned, mode=Mode.AUTONOMOUS, settings=ALONE, clock=world.clock, truth=list(world.truth))
    again.pipeline.restore(*state_through_json(world.pipeline))
    first, second = state_through_json(world.pipeline), state_through_json(again.pipeline)
    assert first[0] == second[0]
    assert all(np.array_equal(first[1][name], second[1][name]) for name in first[1])
    assert again.pipeline.on_probation
    again.see(*shifted(8, 60 - seen_since))
    assert states(again.adaptations) == [CONFIRMED]
    assert again.pipeline.open_event is None


def test_a_damaged_probation_is_refused_whole(learned: LearnedState) -> None:
    world = in_sensor_drift(learned)
    meta, arrays = state_through_json(world.pipeline)
    meta["probation"].pop("expected")
    other = World(learned, mode=Mode.AUTONOMOUS, settings=ALONE)
    before = state_through_json(other.pipeline)[0]
    with pytest.raises(StateError):
        other.pipeline.restore(meta, arrays)
    assert state_through_json(other.pipeline)[0] == before


def test_labels_of_people_take_back_what_is_on_probation_and_estimate_it_anew(learned: LearnedState) -> None:
    world = in_sensor_drift(learned)
    result = world.pipeline.apply_feedback([world.judge(sample) for sample in world.samples])
    assert [(one.kind.name, one.state) for one in result.adaptations] == [
        ("SENSOR_CORRECTION", ROLLED_BACK),
        ("HUMAN_LABELS", CONFIRMED),
    ]
    assert not world.pipeline.on_probation
    assert world.pipeline.open_event is None
    human = result.adaptations[-1]
    assert human.effect is result.effect
    assert set(human.sample_ids) == {sample.sample_id for sample in world.samples}
    assert world.accuracy(*shifted(77, 300)) > 0.9


def test_a_novel_group_is_never_stored_under_a_known_label(learned: LearnedState) -> None:
    world = World(learned).in_novel_drift(drifted_count=200)
    window = world.quarantine.samples({world.events[0].drift_event_id})
    (attempt,) = LabelFree(Knowledge(learned=learned), window, Counter(), ALONE).attempts(
        DriftCause.NOVELTY, permissions(Mode.AUTONOMOUS)
    )
    assert attempt.kind is AdaptationKind.PSEUDO_LABELS
    assert "unknown class #1" in attempt.description
    truth = {sample.sample_id: world.truth[sample.observation.source_index] for sample in window}
    guesses = attempt.knowledge.judgements.guesses
    assert not any(truth[member] == NOVEL for guess in guesses for member in guess.stored)
    assert not any(truth.get(stored) == NOVEL for stored in attempt.knowledge.learned.knn.sample_ids)
    assert learned.knn.sample_ids == World(learned).pipeline.learned.knn.sample_ids


def test_a_device_alone_in_a_novel_drift_is_not_worse_off(learned: LearnedState) -> None:
    world = World(learned, mode=Mode.AUTONOMOUS, settings=ALONE).in_novel_drift(drifted_count=300)
    assert world.adaptations
    known = draw(np.random.default_rng(1), 300)
    assert world.accuracy(*known) >= World(learned).accuracy(*known) - 0.01
    assert NOVEL not in world.pipeline.learned.class_names


def test_what_may_be_unknown_is_shown_first(learned: LearnedState) -> None:
    world = World(learned).in_novel_drift()
    novel = [world.truth[sample.observation.source_index] == NOVEL for sample in world.samples]
    half = len(novel) // 2
    assert sum(novel[:half]) > sum(novel[half:])


def test_a_label_undoes_the_group_it_contradicts(learned: LearnedState) -> None:
    world = World(learned).in_novel_drift()
    event_id = world.events[0].drift_event_id
    bags = [
        sample
        for sample in world.quarantine.samples({event_id})
        if world.truth[sample.observation.source_index] == NOVEL
    ]
    knn = learned.knn.copy()
    for sample in bags[1:4]:
        knn.add(sample.observation.point, "coat", sample.sample_id, trusted=False)
    guess = Guess(
        label="coat",
        members=tuple(sample.sample_id for sample in bags),
        stored=tuple(sample.sample_id for sample in bags[1:4]),
    )
    transactions = world.pipeline._transactions
    judgements = replace(transactions.knowledge.judgements, guesses=(guess,))
    changed = replace(learned, knn=knn)
    transactions._put(
        replace(transactions.knowledge, learned=changed, judgements=judgements), transactions.monitor
    )
    agreeing = world.judge(bags[0], decision=Decision.CONFIRMED_LABEL, label="coat", feedback_id="agrees")
    world.pipeline.apply_feedback([agreeing])
    assert transactions.knowledge.judgements.guesses == (guess,)
    world.pipeline.apply_feedback([world.judge(bags[0])])
    assert transactions.knowledge.judgements.guesses == ()
    labels = dict(zip(world.pipeline.learned.knn.sample_ids, world.pipeline.learned.knn.labels, strict=True))
    assert labels[bags[0].sample_id] == NOVEL
    assert "coat" not in {labels.get(sample.sample_id) for sample in bags[1:4]}


def test_lineage_is_bounded(learned: LearnedState) -> None:
    settings = replace(
        ALONE, lineage_count=2, matched_rules=(StreamRule(least_confidence_gain=1.0, least_mix_gain=9.0),)
    )
    world = in_sensor_drift(learned, settings=settings)
    world.see(*shifted(9, 100))
    assert len(world.adaptations) >= 1
    assert len(world.pipeline.adaptations) <= 2


def test_far_samples_are_few_and_paced(learned: LearnedState) -> None:
    settings = replace(
        SETTINGS,
        far_sample_wait_frames=5,
        far_sample_every_frames=50,
        far_sample_most_share=0.1,
    )
    world = World(learned, settings=settings)
    rng = np.random.default_rng(3)
    for _ in range(12):
        world.see(*draw(rng, 60))
        embedding, label = draw(rng, 1)
        world.see(embedding + rng.normal(size=12).astype(np.float32) * 9, label)
    assert not world.events
    far = world.quarantine.samples({""})
    assert 0 < len(far) <= world.quarantine.capacity * 0.1
    indices = [sample.observation.source_index for sample in world.far]
    assert indices
    assert all(later - earlier >= 50 for earlier, later in pairwise(indices))
    assert all(sample.image is not None and not sample.drift_event_id for sample in world.far)
    assert all(sample.image is None for sample in far if sample.sample_id in {s.sample_id for s in world.far})

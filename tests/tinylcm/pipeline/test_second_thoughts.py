"""People change their minds: a later judgement replaces an earlier one, and what was learned from it is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.tinylcm.pipeline.test_self_adaptation import in_sensor_drift
from tests.tinylcm.pipeline.test_state import assert_same_state, restarted
from tests.tinylcm.pipeline.world import KNOWN, NOVEL, SETTINGS, World, draw
from tinylcm.core.adapt.trial import TrialRule
from tinylcm.pipeline.learned import LearnedState
from tinylcm.records import Decision, FeedbackItem, FeedbackOutcome, Sample

APPLIED, REJECTED = FeedbackOutcome.APPLIED, FeedbackOutcome.REJECTED


@pytest.fixture(scope="module")
def once_judged(learned: LearnedState) -> World:
    """A novel drift of which every sample was judged; tests that share it change nothing."""
    world = World(learned).in_novel_drift(drifted_count=200)
    world.pipeline.apply_feedback([world.judge(sample) for sample in world.samples])
    return world


@pytest.fixture
def world(once_judged: World) -> World:
    """The same, to be changed."""
    again = restarted(once_judged)
    again.samples = list(once_judged.samples)
    return again


def bags_of(world: World) -> list[Sample]:
    """What people were shown of the new class."""
    return [s for s in world.samples if world.truth[s.observation.source_index] == NOVEL]


def unusable(world: World, samples: Sequence[Sample]) -> list[FeedbackItem]:
    return [world.judge(sample, decision=Decision.UNUSABLE, label="") for sample in samples]


def renamed(world: World, samples: Sequence[Sample], label: str) -> list[FeedbackItem]:
    return [world.judge(sample, decision=Decision.NEW_LABEL, label=label) for sample in samples]


def stored(world: World) -> dict[str, str]:
    knn = world.pipeline.learned.knn
    return dict(zip(knn.sample_ids, knn.labels, strict=True))


def families(world: World, samples: Sequence[Sample]) -> set[str]:
    """Samples and all that took a label from one of them."""
    judgements = world.pipeline.state()[0]["judgements"]
    return {id_ for s in samples for id_ in (s.sample_id, *judgements["children"].get(s.sample_id, ()))}


def test_a_new_label_replaces_the_old_one_and_what_took_it(world: World) -> None:
    bags = bags_of(world)
    taken = families(world, bags)
    assert len(taken) > len(bags)
    result = world.pipeline.apply_feedback(renamed(world, bags, "hat"))
    assert {answer.outcome for answer in result.acknowledgements} == {APPLIED}
    assert result.effect is not None
    assert all(answer.effect is result.effect for answer in result.acknowledgements)
    labels = stored(world)
    assert NOVEL not in labels.values()
    assert {labels[id_] for id_ in taken if id_ in labels} == {"hat"}
    assert world.pipeline.learned.class_names == (*KNOWN, "hat")
    assert "hat" in world.pipeline.learned.calibration.distance.laws


def test_unusable_after_a_label_forgets_the_sample_and_what_took_its_label(world: World) -> None:
    bags = bags_of(world)
    some, taken = bags[:3], families(world, bags[:3])
    others = stored(world).keys() - taken
    result = world.pipeline.apply_feedback(unusable(world, some))
    assert {answer.outcome for answer in result.acknowledgements} == {APPLIED}
    assert all(answer.effect is not None for answer in result.acknowledgements)
    assert stored(world).keys() == others
    assert not any(world.quarantine.get(sample.sample_id) for sample in some)
    assert result.adaptations[-1].description == "3 samples put aside"


def test_what_people_take_back_goes_whatever_it_costs(world: World) -> None:
    """Without most of the bags the others are no longer recognised: a loss that no adaptation would be allowed."""
    bags = bags_of(world)
    result = world.pipeline.apply_feedback(unusable(world, bags[:-2]))
    assert {answer.outcome for answer in result.acknowledgements} == {APPLIED}
    assert result.effect is not None
    assert result.effect.judged_accuracy_after < result.effect.judged_accuracy_before
    assert not stored(world).keys() & {bag.sample_id for bag in bags[:-2]}


def test_a_name_is_gone_with_its_last_sample(world: World) -> None:
    world.pipeline.apply_feedback(unusable(world, bags_of(world)))

    assert world.pipeline.learned.class_names == KNOWN
    assert set(stored(world).values()) == set(KNOWN)


def test_what_an_evicted_sample_passed_on_is_forgotten_with_it(world: World) -> None:
    bags = bags_of(world)
    bag = next(bag for bag in bags if len(families(world, [bag])) > 1)
    children = families(world, [bag]) - {bag.sample_id}
    world.pipeline.learned.knn.remove(bag.sample_id)  # as when it has to make room
    others = [s for s in world.samples if s not in bags]
    world.pipeline.apply_feedback([replace(i, drift_event_id="") for i in map(world.judge, others[:1])])
    assert children & stored(world).keys()
    again = restarted(world)
    for each in (world, again):
        result = each.pipeline.apply_feedback([replace(unusable(world, [bag])[0], feedback_id="second")])
        assert [answer.outcome for answer in result.acknowledgements] == [APPLIED]
        assert not children & stored(each).keys()


def test_a_label_of_its_own_outlives_what_a_sample_took_before(learned: LearnedState) -> None:
    """Samples of questions belong to no event, so each is learned apart from the others."""
    world = World(learned)
    world.in_novel_drift(drifted_count=200)
    loose = [replace(sample, drift_event_id="") for sample in world.quarantine.samples()]
    for sample in loose:
        world.quarantine.replace(sample)
    bags = [s for s in loose if world.truth[s.observation.source_index] == NOVEL]
    world.pipeline.apply_feedback([world.judge(bag) for bag in bags[:1]])
    children = families(world, bags[:1]) - {bags[0].sample_id}
    child = next(sample for sample in loose if sample.sample_id in children)
    world.pipeline.apply_feedback([world.judge(child, decision=Decision.NEW_LABEL, label=NOVEL)])
    world.pipeline.apply_feedback(unusable(world, bags[:1]))
    assert stored(world)[child.sample_id] == NOVEL
    assert not stored(world).keys() & (children - families(world, [child]))


def test_a_new_label_that_must_not_be_learned_still_ends_the_old_one(once_judged: World) -> None:
    nothing_may_be_learned = replace(SETTINGS, trial=TrialRule(reference_tolerance=-1.0))
    world = restarted(once_judged, settings=nothing_may_be_learned)
    first, second = bags_of(once_judged)[:2]
    taken = families(world, [first, second])
    items = [*renamed(world, [first], "hat"), *unusable(world, [second])]
    result = world.pipeline.apply_feedback(items)
    assert [answer.outcome for answer in result.acknowledgements] == [REJECTED, APPLIED]
    assert "reference samples would fall" in result.acknowledgements[0].reason
    assert result.acknowledgements[0].reason.endswith("its earlier label is forgotten")
    assert not stored(world).keys() & taken
    assert [adaptation.state.value for adaptation in result.adaptations] == ["REFUSED", "CONFIRMED"]


def test_an_earlier_judgement_that_comes_late_undoes_nothing(world: World) -> None:
    """As when a device reads it only after an update."""
    bag = bags_of(world)[0]
    late = replace(world.judge(bag), feedback_id="late", label="hat", decision=Decision.NEW_LABEL)
    world.pipeline.apply_feedback(unusable(world, [bag]))
    again = restarted(world)
    for each in (world, again):
        (answer,) = each.pipeline.apply_feedback([late]).acknowledgements
        assert answer.outcome is REJECTED
        assert "is a later one" in answer.reason
        assert bag.sample_id not in stored(each)


def test_second_thoughts_count_once_across_a_restart(world: World) -> None:
    bags = bags_of(world)
    items = [*renamed(world, bags[:4], "hat"), *unusable(world, bags[4:6])]
    before = restarted(world)  # killed before the snapshot: all comes again
    results = [each.pipeline.apply_feedback(items) for each in (world, before)]
    assert [a.outcome for a in results[0].acknowledgements] == [
        a.outcome for a in results[1].acknowledgements
    ]
    assert stored(world) == stored(before)
    after = restarted(world)  # killed after the snapshot, before the answers were sent
    for _ in range(2):
        repetition = after.pipeline.apply_feedback(items)
        assert repetition.acknowledgements == results[0].acknowledgements
        assert not repetition.changed
    assert_same_state(after, world)


def test_what_is_taken_back_does_not_return_with_what_a_probation_replaced(learned: LearnedState) -> None:
    world = in_sensor_drift(learned)
    assert world.pipeline.on_probation
    reference = next(iter(learned.reference())).sample_id
    rng = np.random.default_rng(3)
    item = FeedbackItem(
        feedback_id="withdrawal",
        sequence=1,
        sample_id=reference,
        drift_event_id="",
        decision=Decision.UNUSABLE,
        label="",
        embedding=draw(rng, 1)[0][0],
        feature_space="cd" * 32,
    )
    result = world.pipeline.apply_feedback([item])
    assert not world.pipeline.on_probation
    assert [adaptation.state.value for adaptation in result.adaptations] == ["ROLLED_BACK", "CONFIRMED"]
    assert reference not in stored(world)

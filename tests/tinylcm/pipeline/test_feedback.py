"""Learning from feedback: all or nothing, exactly once, measured."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from tests.tinylcm.pipeline.world import (
    CENTRES,
    KNOWN,
    MODEL,
    NOVEL,
    SETTINGS,
    World,
    draw,
    state_through_json,
)
from tinylcm.core.adapt.trial import TrialRule
from tinylcm.pipeline.adapting import Adapted
from tinylcm.pipeline.learned import LearnedState
from tinylcm.records import Decision, FeedbackItem, FeedbackOutcome, Mode

APPLIED, REJECTED, DEFERRED = FeedbackOutcome.APPLIED, FeedbackOutcome.REJECTED, FeedbackOutcome.DEFERRED


@dataclass(frozen=True)
class Taught:
    """A world whose novel drift was judged in one batch; tests that share it change nothing."""

    world: World
    items: list[FeedbackItem]
    result: Adapted


@pytest.fixture(scope="module")
def adapted(learned: LearnedState) -> Taught:
    world = World(learned).in_novel_drift(drifted_count=200)
    items = [world.judge(sample) for sample in world.samples]
    return Taught(world, items, world.pipeline.apply_feedback(items))


def test_labels_of_a_new_class_make_the_device_know_it(learned: LearnedState, adapted: Taught) -> None:
    rng = np.random.default_rng(77)
    bags, coats = draw(rng, 200, novel_share=1.0), draw(rng, 300)
    before = World(learned)
    assert before.accuracy(*bags) == 0.0
    assert {answer.outcome for answer in adapted.result.acknowledgements} == {APPLIED}
    assert adapted.world.accuracy(*bags) > 0.9
    assert adapted.world.accuracy(*coats) >= before.accuracy(*coats) - 0.02
    assert adapted.world.pipeline.learned.class_names == (*KNOWN, NOVEL)


def test_the_effect_is_what_was_measured(adapted: Taught) -> None:
    effect, items = adapted.result.effect, adapted.items
    assert effect is not None
    right = [item.decision is Decision.NOT_DRIFT for item in items]
    assert effect.judged_sample_count == len(items)
    assert effect.judged_accuracy_before == pytest.approx(np.mean(right))
    assert effect.judged_accuracy_after > effect.judged_accuracy_before + 0.2
    assert effect.reference_sample_count == 240
    learned = adapted.world.pipeline.learned
    hits = [
        learned.knn.predict(sample.point, excluding=(sample.sample_id,)).label == sample.label
        for sample in learned.reference()
    ]
    assert effect.reference_accuracy_after == pytest.approx(np.mean(hits))
    assert effect.propagated_sample_count == len(_taken(adapted)) > 0
    assert effect.commit_time == adapted.world.clock.now()
    assert all(answer.effect is effect for answer in adapted.result.acknowledgements)


def test_only_the_new_class_is_passed_on_and_rightly_so(adapted: Taught) -> None:
    world = adapted.world
    truth = {s.sample_id: world.truth[s.observation.source_index] for s in world.quarantine.samples()}
    taken = _taken(adapted)
    assert set(taken.values()) == {NOVEL}
    assert np.mean([truth[sample_id] == label for sample_id, label in taken.items()]) > 0.9


def _taken(adapted: Taught) -> dict[str, str]:
    """Stored samples that are neither the reference's nor judged, with their labels."""
    knn, judged = adapted.world.pipeline.learned.knn, {item.sample_id for item in adapted.items}
    return {
        sample_id: label
        for sample_id, label in zip(knn.sample_ids, knn.labels, strict=True)
        if sample_id not in judged and not sample_id.startswith("reference/")
    }


def test_a_commit_ends_the_event_and_the_stream_is_normal_from_then_on(adapted: Taught) -> None:
    world = World(adapted.world.learned, clock=adapted.world.clock, truth=list(adapted.world.truth))
    world.pipeline.restore(*state_through_json(adapted.world.pipeline))
    (event,) = adapted.result.drift_events
    assert event.drift_event_id == adapted.world.events[0].drift_event_id
    assert event.recovery_index == len(world.truth) - 1
    assert not world.pipeline.monitor.drifting
    assert world.pipeline.open_event is None
    world.see(*draw(np.random.default_rng(8), 400, novel_share=0.4))
    assert not world.events


def test_labels_of_an_earlier_drift_hand_out_the_open_one_and_do_not_make_it_normal(world: World) -> None:
    world.in_novel_drift(drifted_count=40)
    assert world.pipeline.open_event is not None
    assert not world.samples
    known, labels = draw(np.random.default_rng(4), 1)
    elsewhere = FeedbackItem(
        feedback_id="feedback-of-another-event",
        sequence=1,
        sample_id="sample-of-another-event",
        drift_event_id="another-event",
        decision=Decision.CONFIRMED_LABEL,
        label=labels[0],
        embedding=known[0],
        feature_space=MODEL.feature_space,
    )
    result = world.pipeline.apply_feedback([elsewhere])
    assert {answer.outcome for answer in result.acknowledgements} == {APPLIED}
    assert [event.drift_event_id for event in result.drift_events] == [world.events[0].drift_event_id]
    assert {sample.drift_event_id for sample in result.samples} == {world.events[0].drift_event_id}
    assert NOVEL in {world.truth[sample.observation.source_index] for sample in result.samples}
    world.see(*draw(np.random.default_rng(8), 100, novel_share=0.4))
    assert len(world.events) == 2, "the drift nobody judged must be noticed again"


def test_monitors_are_calibrated_with_the_classifier(learned: LearnedState, adapted: Taught) -> None:
    before, after = learned.calibration, adapted.world.pipeline.learned.calibration
    assert NOVEL in after.distance.laws
    assert NOVEL not in before.distance.laws
    assert (after.budget_predictions, after.runtime) == (before.budget_predictions, before.runtime)


def test_a_sensor_that_changed_is_corrected_from_labels(world: World) -> None:
    """Coats now look as dresses did: labels alone could not outvote the reference there."""
    rng = np.random.default_rng(5)
    offset = CENTRES["dress"] - CENTRES["coat"]
    embeddings, labels = draw(rng, 150)
    world.see(embeddings, labels)
    embeddings, labels = draw(rng, 150)
    world.see(embeddings + offset, labels)
    embeddings, labels = draw(rng, 300)
    before = world.accuracy(embeddings + offset, labels)

    result = world.pipeline.apply_feedback([world.judge(sample) for sample in world.samples])

    assert result.effect is not None
    assert result.effect.propagated_sample_count == 0
    correction = world.pipeline.learned.correction
    assert not correction.is_identity
    np.testing.assert_allclose(correction.offset / correction.scale, offset, atol=1.0)
    assert before < 0.8
    assert world.accuracy(embeddings + offset, labels) > 0.95


def test_feedback_in_small_batches_ends_where_one_batch_does(learned: LearnedState, adapted: Taught) -> None:
    world = World(learned).in_novel_drift(drifted_count=200)
    for part in (slice(0, 1), slice(1, 8), slice(8, None)):
        world.pipeline.apply_feedback([world.judge(sample) for sample in world.samples[part]])
    assert set(world.pipeline.learned.knn.sample_ids) == set(adapted.world.pipeline.learned.knn.sample_ids)
    test = draw(np.random.default_rng(77), 300, novel_share=0.4)
    assert world.accuracy(*test) == pytest.approx(adapted.world.accuracy(*test), abs=0.02)


def test_feedback_that_comes_again_is_answered_again_and_has_no_effect(adapted: Taught) -> None:
    pipeline, items, first = adapted.world.pipeline, adapted.items, adapted.result
    learned = pipeline.learned
    again = pipeline.apply_feedback(items[::-1])
    assert again.acknowledgements == first.acknowledgements[::-1]
    assert not again.changed
    assert again.effect is None
    assert pipeline.learned is learned
    assert pipeline.adaptation_count == 1
    twice = pipeline.apply_feedback([items[0], items[0]])
    assert [answer.feedback_id for answer in twice.acknowledgements] == [items[0].feedback_id] * 2


def test_an_adaptation_that_would_do_harm_is_refused_and_changes_nothing(learned: LearnedState) -> None:
    world = World(learned, settings=replace(SETTINGS, trial=TrialRule(reference_tolerance=0.0)))
    world.in_novel_drift()
    liars = [
        world.judge(sample, decision=Decision.CONFIRMED_LABEL, label=KNOWN[number % 3])
        for number, sample in enumerate(world.samples)
    ]
    for point in learned.reference()[:60]:  # points of the reference, called by another name
        item = world.judge(world.samples[0], sample_id=f"elsewhere/{point.sample_id}")
        wrong = KNOWN[(KNOWN.index(point.label) + 1) % 3]
        liars.append(
            replace(
                item,
                decision=Decision.CONFIRMED_LABEL,
                label=wrong,
                embedding=_embedding_at(learned, point.point),
            )
        )
    before = state_through_json(world.pipeline)
    result = world.pipeline.apply_feedback(liars)
    assert {answer.outcome for answer in result.acknowledgements} == {REJECTED}
    assert "reference samples would fall" in result.acknowledgements[0].reason
    assert result.effect is None
    assert not result.drift_events
    after = state_through_json(world.pipeline)
    assert len(after[0].pop("answered")["answers"]) == len(liars)
    before[0].pop("answered")
    (refused,) = after[0].pop("lineage")["records"]
    assert (refused["state"], refused["reason"]) == ("REFUSED", result.acknowledgements[0].reason)
    assert not before[0].pop("lineage")["records"]
    assert after[0] == before[0]
    assert all(np.array_equal(after[1][name], before[1][name]) for name in before[1])


def _embedding_at(learned: LearnedState, point: np.ndarray[Any, np.dtype[np.float32]]) -> Any:
    transform = learned.transform
    standard = point @ transform.components + transform.pca_mean
    return (standard * transform.scaler_scale + transform.scaler_mean).astype(np.float32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"feature_space": "ef" * 32}, "feature space: expected cdcdcdcdcdcd"),
        ({"embedding": np.zeros(11, np.float32)}, "embedding: expected 12 values, got shape (11,)"),
        ({"embedding": np.full(12, np.nan, np.float32)}, "embedding: every value must be finite"),
        ({"embedding": np.full(12, 1e30, np.float32)}, "embedding: expected values up to 1e+09"),
        ({"decision": Decision.NEW_LABEL, "label": ""}, "label: expected 1 to 64 characters, got 0"),
        ({"decision": Decision.NEW_LABEL, "label": "x" * 65}, "label: expected 1 to 64 characters, got 65"),
        ({"sample_id": ""}, "sample_id: must not be empty"),
    ],
)
def test_an_item_that_can_never_be_used_is_rejected_alone(
    world: World, change: dict[str, Any], reason: str
) -> None:
    world.in_novel_drift()
    items = [world.judge(sample) for sample in world.samples]
    items[3] = replace(items[3], **change)
    answers = world.pipeline.apply_feedback(items).acknowledgements
    assert [answer.outcome for answer in answers].count(REJECTED) == 1
    assert answers[3].outcome is REJECTED
    assert answers[3].reason.startswith(reason)
    assert answers[3].feedback_id == items[3].feedback_id


@pytest.mark.parametrize("mode", [Mode.MONITORING_ONLY, Mode.CENTRALIZED])
def test_modes_that_never_learn_defer_and_may_learn_later(learned: LearnedState, mode: Mode) -> None:
    world = World(learned, mode=mode).in_novel_drift()
    items = [world.judge(sample) for sample in world.samples]
    result = world.pipeline.apply_feedback(items)
    assert {answer.outcome for answer in result.acknowledgements} == {DEFERRED}
    assert mode.value in result.acknowledgements[0].reason
    assert not result.changed
    assert world.pipeline.learned is learned
    world.pipeline.mode = Mode.AUTONOMOUS
    assert {answer.outcome for answer in world.pipeline.apply_feedback(items).acknowledgements} == {APPLIED}


def test_unusable_samples_leave_the_quarantine_and_are_never_learnt(world: World) -> None:
    world.in_novel_drift()
    poor = world.samples[:4]
    result = world.pipeline.apply_feedback(
        [world.judge(s, decision=Decision.UNUSABLE, label="") for s in poor]
    )
    assert {answer.outcome for answer in result.acknowledgements} == {APPLIED}
    assert all(world.quarantine.get(sample.sample_id) is None for sample in poor)
    assert world.pipeline.learned is world.learned
    assert world.pipeline.open_event is not None  # nothing was learnt, so the drift lasts
    world.pipeline.apply_feedback([world.judge(sample) for sample in world.samples[4:]])
    assert not any(sample.sample_id in world.pipeline.learned.knn for sample in poor)


def test_a_later_judgement_of_a_sample_undoes_the_earlier_one_and_what_it_passed_on(world: World) -> None:
    world.in_novel_drift()
    world.pipeline.apply_feedback([world.judge(sample) for sample in world.samples])
    bags = [s for s in world.samples if world.truth[s.observation.source_index] == NOVEL]
    world.pipeline.apply_feedback([world.judge(s, decision=Decision.UNUSABLE, label="") for s in bags])
    assert NOVEL not in world.pipeline.learned.knn.labels
    assert world.accuracy(*draw(np.random.default_rng(77), 100, novel_share=1.0)) == 0.0


def test_of_two_judgements_of_one_sample_the_later_sequence_counts(world: World) -> None:
    world.in_novel_drift()
    sample = next(s for s in world.samples if world.truth[s.observation.source_index] == NOVEL)
    first = world.judge(sample, decision=Decision.NEW_LABEL, label="hat")
    second = world.judge(sample)
    result = world.pipeline.apply_feedback([second, first])
    assert [answer.outcome for answer in result.acknowledgements] == [APPLIED, APPLIED]
    knn = world.pipeline.learned.knn
    assert knn.labels[knn.sample_ids.index(sample.sample_id)] == NOVEL


def test_a_sample_the_device_lost_is_learnt_from_its_embedding(world: World) -> None:
    world.in_novel_drift()
    items = [world.judge(sample) for sample in world.samples]
    world.quarantine.clear()
    result = world.pipeline.apply_feedback(items)
    assert {answer.outcome for answer in result.acknowledgements} == {APPLIED}
    assert world.accuracy(*draw(np.random.default_rng(77), 200, novel_share=1.0)) > 0.85


def test_nothing_to_apply_is_nothing(world: World) -> None:
    result = world.pipeline.apply_feedback([])
    assert (result.acknowledgements, result.effect, result.changed) == ((), None, False)


def test_the_classifier_stays_within_its_capacity(learned: LearnedState) -> None:
    world = World(learned).in_novel_drift()
    flood = [
        world.judge(
            world.samples[0],
            sample_id=f"elsewhere/{row}",
            decision=Decision.NEW_LABEL,
            label="flood",
            embedding=vector,
        )
        for row, vector in enumerate(draw(np.random.default_rng(4), 500, novel_share=1.0)[0])
    ]
    world.pipeline.apply_feedback(flood)
    knn = world.pipeline.learned.knn
    assert len(knn) <= knn.capacity
    assert set(KNOWN) <= set(knn.labels)

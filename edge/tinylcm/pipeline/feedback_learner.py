"""Learning from people: every item is answered once, a batch is learned from as a whole or not at all."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from tinylcm.core.adapt.restandardise import Correction
from tinylcm.errors import InputError
from tinylcm.pipeline.adapting import Adapted, Steps
from tinylcm.pipeline.change import Change, keep_calibration, prepare_change
from tinylcm.pipeline.feedback import AnsweredFeedback, Batch, read_batch
from tinylcm.pipeline.lesson import Lesson, learn_from
from tinylcm.pipeline.lineage import effect_of
from tinylcm.pipeline.modes import permissions
from tinylcm.pipeline.surroundings import Surroundings
from tinylcm.pipeline.transactions import Transactions
from tinylcm.records import (
    Acknowledgement,
    Adaptation,
    AdaptationEffect,
    AdaptationKind,
    AdaptationState,
    DriftEvent,
    FeedbackItem,
    FeedbackOutcome,
    Mode,
    Sample,
)


class FeedbackLearner:
    """Labels of people win over whatever the device found by itself."""

    def __init__(self, transactions: Transactions, surroundings: Surroundings) -> None:
        self._transactions = transactions
        self._surroundings = surroundings
        self.answered = AnsweredFeedback(surroundings.settings.applied_feedback_count)

    def apply(self, items: Sequence[FeedbackItem], mode: Mode) -> Steps:
        """Learns from judgements, all of a batch or none, and answers every item.

        An item that was answered before gets the same answer and has no effect. Items that can never be used are
        REJECTED one by one; the others are tried together on a copy. If the copy may stand it replaces the original,
        the monitor is calibrated for it in the same step, and an open event ends; if not, nothing is learned and they
        are REJECTED with the reason. What they take back is forgotten all the same: a sample that is UNUSABLE after
        all, a label that turned out wrong, and what took a label from either.
        """
        fresh = {item.feedback_id: item for item in items if self.answered.get(item.feedback_id) is None}
        if not permissions(mode).may_learn:
            reason = f"the device is in mode {mode.value} and does not learn"
            result = Adapted(
                acknowledgements=tuple(_answer(id_, FeedbackOutcome.DEFERRED, reason=reason) for id_ in fresh)
            )
        else:
            result = yield from self._learn(list(fresh.values()))
        self.answered.keep(result.acknowledgements)
        new = {answer.feedback_id: answer for answer in result.acknowledgements}
        answers = [new.get(item.feedback_id) or self.answered.get(item.feedback_id) for item in items]
        return replace(result, acknowledgements=tuple(answer for answer in answers if answer))

    def _learn(self, items: Sequence[FeedbackItem]) -> Steps:
        around = self._surroundings
        batch = read_batch(
            items,
            self._transactions.knowledge.learned,
            around.quarantine,
            around.model.feature_space,
            self.answered.newest,
        )
        answers = _rejections(batch)
        if not batch.usable:
            return Adapted(acknowledgements=answers, changed=bool(answers))
        self.answered.take(batch.usable)
        corrections, undone = self._overrule(batch)
        result = yield from self._take(batch, corrections)
        return replace(
            result,
            acknowledgements=(*answers, *result.acknowledgements),
            adaptations=(*undone, *result.adaptations),
        )

    def _overrule(self, batch: Batch) -> tuple[tuple[Correction, ...], tuple[Adaptation, ...]]:
        """Takes back what is on probation when people change what is known, before it could be restored from there.

        Its correction is tried once more beside their labels.
        """
        probation = self._transactions.probation
        if probation is None:
            return (), ()
        knowledge = self._transactions.knowledge
        if not (batch.added or knowledge.holds(batch.dropped) or probation.before.holds(batch.dropped)):
            return (), ()
        undone = self._transactions.roll_back("labels of people came while it was on probation, and they win")
        return (knowledge.learned.correction,), (undone,)

    def _take(self, batch: Batch, corrections: Sequence[Correction] = ()) -> Steps:
        """Learns all of a batch, or answers why not and forgets only what it takes back."""
        around, knowledge = self._surroundings, self._transactions.knowledge
        lesson: Lesson = yield partial(
            learn_from,
            batch,
            knowledge,
            around.quarantine.samples(),
            around.settings,
            open_event=around.evidence.event,
            corrections=corrections,
        )
        reason, change = yield from self._prepare(lesson)
        effect = effect_of(
            lesson.trial.before,
            lesson.trial.after,
            stream=lesson.stream,
            propagated_count=lesson.trial.shadow.propagated_count,
            clock=self._surroundings.clock,
        )
        adaptations = self._record(batch, lesson, effect, reason)
        if reason:
            rest = batch.refused(reason, knowledge.overruled(list(batch.added.values())))
            result = (yield from self._take(rest)) if rest.dropped else Adapted(changed=True)
            return replace(
                result,
                acknowledgements=(*_rejections(rest), *result.acknowledgements),
                adaptations=(*adaptations, *result.adaptations),
            )
        events, samples = self._commit(batch, change)
        return Adapted(
            acknowledgements=tuple(
                _answer(item.feedback_id, FeedbackOutcome.APPLIED, effect=effect) for item in batch.usable
            ),
            effect=effect,
            changed=True,
            drift_events=events,
            samples=samples,
            adaptations=adaptations,
        )

    def _prepare(self, lesson: Lesson) -> Generator[Callable[[], Any], Any, tuple[str, Change | None]]:
        """Calibrates for a lesson; returns why it must not stand, and the change, None when nothing changes."""
        if lesson.trial.objection or lesson.knowledge is None:
            return lesson.trial.objection, None
        around = self._surroundings
        try:
            change = yield partial(
                prepare_change,
                lesson.knowledge,
                around.recent.frames(),
                around.quarantine.samples(),
                around.settings,
                number=self._transactions.adaptation_count,
            )
            return "", change
        except InputError as error:
            if lesson.only_forgets:  # the limits of before, for a little less
                return "", keep_calibration(lesson.knowledge, around.settings)
            return f"the monitors cannot be calibrated for the change: {error}", None

    def _record(
        self, batch: Batch, lesson: Lesson, effect: AdaptationEffect, reason: str
    ) -> tuple[Adaptation, ...]:
        """Labels of people are measured before they are committed, so that they need no probation."""
        if lesson.knowledge is None:
            return ()
        return (
            self._transactions.record(
                AdaptationKind.HUMAN_LABELS,
                AdaptationState.REFUSED if reason else AdaptationState.CONFIRMED,
                drift_event_id=lesson.drift_event_id,
                description=lesson.description,
                reason=reason,
                effect=effect,
                sample_ids=[item.sample_id for item in batch.usable],
            ),
        )

    def _commit(
        self, batch: Batch, change: Change | None
    ) -> tuple[tuple[DriftEvent, ...], tuple[Sample, ...]]:
        """Puts the change in place; returns the event that it closed, and that event's evidence."""
        around = self._surroundings
        for sample_id in batch.dropped:
            around.quarantine.remove(sample_id)
        if change is None:
            return (), ()
        self._transactions.commit(change)
        samples = around.evidence.hand_out()
        return around.evidence.close(around.recent.newest_index, around.clock.now()), samples


def _rejections(batch: Batch) -> tuple[Acknowledgement, ...]:
    return tuple(
        _answer(feedback_id, FeedbackOutcome.REJECTED, reason=reason)
        for feedback_id, reason in batch.turned_down.items()
    )


def _answer(
    feedback_id: str, outcome: FeedbackOutcome, *, reason: str = "", effect: AdaptationEffect | None = None
) -> Acknowledgement:
    return Acknowledgement(feedback_id=feedback_id, outcome=outcome, reason=reason, effect=effect)

"""Adapting without a person: try what the drift calls for, put it on probation, confirm it or take it back."""

from dataclasses import replace

from tinylcm.errors import InputError
from tinylcm.pipeline.change import Change, prepare_change
from tinylcm.pipeline.label_free import Attempt, LabelFree
from tinylcm.pipeline.lineage import effect_of
from tinylcm.pipeline.modes import permissions
from tinylcm.pipeline.surroundings import Surroundings
from tinylcm.pipeline.transactions import Transactions
from tinylcm.records import (
    Adaptation,
    AdaptationState,
    Alarm,
    DriftEvent,
    FloatVector,
    Mode,
    Observation,
    Recovery,
)

_LEAST_FRAMES = 100
"""Fewer frames do not tell a wrong class mix from chance."""


class SelfAdaptation:
    """Acts on the open drift of one pipeline."""

    def __init__(self, transactions: Transactions, surroundings: Surroundings) -> None:
        self._transactions = transactions
        self._surroundings = surroundings

    def try_out(self, mode: Mode) -> tuple[Adaptation, ...]:
        """Tries what the mode permits for the open drift; the first that may stand is put on probation."""
        event = self._surroundings.evidence.event
        permitted = permissions(mode)
        if event is None or not (permitted.may_correct_sensor or permitted.may_pseudo_label):
            return ()
        proposer = LabelFree(
            self._transactions.knowledge,
            self._surroundings.quarantine.samples({event.drift_event_id}),
            self._surroundings.mix.before(event.alarm.start_index),
            self._surroundings.settings,
        )
        tried: list[Adaptation] = []
        for attempt in proposer.attempts(event.alarm.cause, permitted):
            tried.append(self._decide(attempt, event))
            if tried[-1].state is AdaptationState.COMMITTED:
                break
        return tuple(tried)

    def _decide(self, attempt: Attempt, event: DriftEvent) -> Adaptation:
        transactions, around = self._transactions, self._surroundings
        reason, change = attempt.objection, None
        if not reason:
            try:
                change = prepare_change(
                    replace(attempt.knowledge, normal_since=event.alarm.start_index),
                    around.recent,
                    around.quarantine.samples(),
                    around.settings,
                    number=transactions.adaptation_count,
                )
            except InputError as error:
                reason = f"the monitors cannot be calibrated for the change: {error}"
        adaptation = transactions.record(
            attempt.kind,
            AdaptationState.REFUSED if change is None else AdaptationState.COMMITTED,
            drift_event_id=event.drift_event_id,
            description=attempt.description,
            reason=reason,
            effect=effect_of(
                *attempt.reference, stream=attempt.stream, propagated_count=0, clock=around.clock
            ),
            sample_ids=attempt.sample_ids,
        )
        if change is not None:
            transactions.commit_on_probation(change, attempt, adaptation)
        return adaptation

    def watch(
        self, observation: Observation, news: Alarm | Recovery | None
    ) -> tuple[tuple[Adaptation, ...], tuple[DriftEvent, ...]]:
        """Follows the change on probation by one frame; returns its record when it is decided, and what it closed.

        At its end, and at an alarm, the trial is repeated on the frames since the change. An alarm alone decides
        nothing: the monitors stand on one window of the drift and must yet prove themselves.
        """
        probation = self._transactions.probation
        if probation is None:
            return (), ()
        probation.frames_left -= 1
        ends = probation.frames_left <= 0
        frames = self._frames_since(probation.first_index) if ends or isinstance(news, Alarm) else []
        if not ends and len(frames) < _LEAST_FRAMES:
            return (), ()
        reason, views = probation.judge(self._transactions.knowledge.learned, frames)
        if reason:
            count = observation.source_index - probation.first_index + 1
            return (self._transactions.roll_back(f"{count} inputs after it {reason}"),), ()
        if not ends:
            return (), ()
        confirmed = self._transactions.confirm(views, self._calibrated_longer())
        return (confirmed,), self._surroundings.evidence.close(
            observation.source_index, observation.capture_time
        )

    def _calibrated_longer(self) -> Change | None:
        """The same knowledge with monitors that have also seen the probation; None when that is not in memory."""
        around, knowledge = self._surroundings, self._transactions.knowledge
        since = knowledge.normal_since
        if since is None or len(around.recent.since(since)) < around.settings.recalibration_frame_count:
            return None
        try:
            return prepare_change(
                knowledge,
                around.recent,
                around.quarantine.samples(),
                around.settings,
                number=self._transactions.adaptation_count,
            )
        except InputError:  # one class, or too alike: what the commit calibrated stands
            return None

    def _frames_since(self, first_index: int) -> list[FloatVector]:
        event = self._surroundings.evidence.event
        samples = self._surroundings.quarantine.samples({event.drift_event_id} if event else ())
        return [
            sample.observation.embedding
            for sample in samples
            if sample.observation.source_index >= first_index
        ]

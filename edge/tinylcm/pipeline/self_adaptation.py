"""Adapting without a person: try what the drift calls for, put it on probation, confirm it or take it back."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

from tinylcm.errors import InputError
from tinylcm.pipeline.adapting import Adapted, Steps
from tinylcm.pipeline.change import Change, prepare_change
from tinylcm.pipeline.knowledge import Knowledge
from tinylcm.pipeline.label_free import Attempt, LabelFree
from tinylcm.pipeline.lineage import effect_of
from tinylcm.pipeline.modes import permissions
from tinylcm.pipeline.probation import Probation
from tinylcm.pipeline.surroundings import Surroundings
from tinylcm.pipeline.transactions import Transactions
from tinylcm.records import (
    Adaptation,
    AdaptationState,
    Alarm,
    DriftEvent,
    FloatVector,
    Mode,
    Recovery,
)

_LEAST_FRAMES = 100
"""Fewer frames do not tell a wrong class mix from chance."""


class SelfAdaptation:
    """Acts on the open drift of one pipeline."""

    def __init__(self, transactions: Transactions, surroundings: Surroundings) -> None:
        self._transactions = transactions
        self._surroundings = surroundings

    def try_out(self, mode: Mode) -> Steps:
        """Tries what the mode permits for the open drift; the first that may stand is put on probation."""
        event = self._surroundings.evidence.event
        permitted = permissions(mode)
        if event is None or not (permitted.may_correct_sensor or permitted.may_pseudo_label):
            return Adapted()
        attempts = LabelFree(
            self._transactions.knowledge,
            self._surroundings.quarantine.samples({event.drift_event_id}),
            self._surroundings.mix.before(event.alarm.start_index),
            self._surroundings.settings,
        ).attempts(event.alarm.cause, permitted)
        tried: list[Adaptation] = []
        while attempt := (yield lambda: next(attempts, None)):
            tried.append((yield from self._decide(attempt, event)))
            if tried[-1].state is AdaptationState.COMMITTED or self._surroundings.evidence.event is not event:
                break
        return Adapted(adaptations=tried, changed=bool(tried))

    def _decide(self, attempt: Attempt, event: DriftEvent) -> Generator[Callable[[], Any], Any, Adaptation]:
        transactions, around = self._transactions, self._surroundings
        reason, change = attempt.objection, None
        if not reason:
            try:
                change = yield self._calibrated(
                    replace(attempt.knowledge, normal_since=event.alarm.start_index)
                )
            except InputError as error:
                reason = f"the monitors cannot be calibrated for the change: {error}"
        if change is not None and around.evidence.event is not event:
            reason, change = "the drift ended before the change was ready", None
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

    def watch(self, news: Alarm | Recovery | None) -> Steps | None:
        """Follows the change on probation by one frame; returns the steps that decide it, when it is time.

        At its end, and at an alarm, the trial is repeated on the frames since the change. An alarm alone decides
        nothing: the monitors stand on one window of the drift and must yet prove themselves.
        """
        probation = self._transactions.probation
        if probation is None:
            return None
        probation.frames_left -= 1
        ends = probation.frames_left <= 0
        frames = self._frames_since(probation.first_index) if ends or isinstance(news, Alarm) else []
        if not ends and len(frames) < _LEAST_FRAMES:
            return None
        return self._decide_probation(probation, frames, ends=ends)

    def _decide_probation(self, probation: Probation, frames: Sequence[FloatVector], *, ends: bool) -> Steps:
        around, newest = self._surroundings, self._surroundings.recent.newest
        knowledge = self._transactions.knowledge
        reason, views = yield lambda: probation.judge(knowledge.detached().learned, frames)
        if reason:
            count = newest.source_index - probation.first_index + 1
            undone = self._transactions.roll_back(f"{count} inputs after it {reason}")
            return Adapted(adaptations=(undone,), changed=True)
        if not ends:
            return Adapted()
        confirmed = self._transactions.confirm(views, (yield from self._calibrated_longer()))
        newest = around.recent.newest
        return Adapted(
            adaptations=(confirmed,),
            changed=True,
            drift_events=around.evidence.close(newest.source_index, newest.capture_time),
        )

    def _calibrated_longer(self) -> Generator[Callable[[], Any], Any, Change | None]:
        """The same knowledge with monitors that have also seen the probation; None when that is not in memory."""
        around, knowledge = self._surroundings, self._transactions.knowledge
        since = knowledge.normal_since
        if since is None or len(around.recent.since(since)) < around.settings.recalibration_frame_count:
            return None
        try:
            change: Change = yield self._calibrated(knowledge)
        except InputError:  # one class, or too alike: what the commit calibrated stands
            return None
        return change

    def _calibrated(self, knowledge: Knowledge) -> Callable[[], Change]:
        """The work of calibrating monitors for some knowledge on what was seen until now."""
        around = self._surroundings
        frames, samples = around.recent.frames(), around.quarantine.samples()
        number = self._transactions.adaptation_count
        return lambda: prepare_change(knowledge.detached(), frames, samples, around.settings, number=number)

    def _frames_since(self, first_index: int) -> list[FloatVector]:
        event = self._surroundings.evidence.event
        samples = self._surroundings.quarantine.samples({event.drift_event_id} if event else ())
        return [
            sample.observation.embedding
            for sample in samples
            if sample.observation.source_index >= first_index
        ]

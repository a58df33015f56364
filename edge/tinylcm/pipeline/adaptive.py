"""The device's whole road in one object: classify, notice drift, gather evidence, learn from feedback."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.core.drift.calibration import Calibration, build_monitor
from tinylcm.core.drift.monitor import Monitor
from tinylcm.errors import InputError, StateError
from tinylcm.pipeline.adaptation import Trial, Trials
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.evidence import EvidenceCollector
from tinylcm.pipeline.feedback import AnsweredFeedback, Batch, read_batch
from tinylcm.pipeline.inference import InferencePipeline
from tinylcm.pipeline.judgements import Judgements
from tinylcm.pipeline.learned import LearnedState
from tinylcm.pipeline.modes import permissions
from tinylcm.pipeline.packing import nested, pack_samples, reading, unnested, unpack_samples
from tinylcm.pipeline.recalibration import recalibrate
from tinylcm.pipeline.recent import RecentFrame, RecentFrames
from tinylcm.ports import Arrays, Clock, ImageEncoder, Json
from tinylcm.records import (
    Acknowledgement,
    AdaptationEffect,
    Alarm,
    DriftEvent,
    FeedbackItem,
    FeedbackOutcome,
    Frame,
    Mode,
    ModelReference,
    Observation,
    Recovery,
    Sample,
)

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What one frame led to; both tuples are empty for most frames.

    ``drift_events`` holds new events, and known ones that recovered.
    """

    observation: Observation
    drift_events: tuple[DriftEvent, ...] = ()
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeedbackResult:
    """What became of a batch of feedback.

    Attributes:
        acknowledgements: One answer per item, in the order of the items.
        effect: What was measured, when the batch was applied; None when nothing new was.
        changed: Whether the state is another one now and must be saved before anybody hears of the answers.
        drift_events: The event that the change closed, if one was open.
        samples: Evidence of that event, if it had not been handed out yet.
    """

    acknowledgements: tuple[Acknowledgement, ...]
    effect: AdaptationEffect | None = None
    changed: bool = False
    drift_events: tuple[DriftEvent, ...] = ()
    samples: tuple[Sample, ...] = ()


class AdaptivePipeline:
    """Not safe for threads: one thread owns it."""

    def __init__(
        self,
        inference: InferencePipeline,
        monitor: Monitor,
        quarantine: Quarantine,
        *,
        model: ModelReference,
        mode: Mode,
        clock: Clock,
        image_encoder: ImageEncoder,
        settings: AdaptiveSettings | None = None,
    ) -> None:
        self.mode = mode
        self.monitor = monitor
        self.adaptation_count = 0
        self._inference = inference
        self._quarantine = quarantine
        self._model = model
        self._clock = clock
        self._settings = settings or AdaptiveSettings()
        self._evidence = EvidenceCollector(
            quarantine, model=model, clock=clock, image_encoder=image_encoder, settings=self._settings
        )
        self._recent = RecentFrames(
            frame_count=self._settings.recent_frame_count, size_bytes=self._settings.recent_size_bytes
        )
        self._answered = AnsweredFeedback(self._settings.applied_feedback_count)
        self._judgements = Judgements()
        self._normal_since: int | None = None

    @property
    def learned(self) -> LearnedState:
        """What the device knows now."""
        return self._inference.learned

    @property
    def open_event(self) -> DriftEvent | None:
        """The drift that lasts, or None."""
        return self._evidence.event

    def process(self, frame: Frame) -> Outcome:
        """Classifies a frame and follows the drift it may belong to.

        Raises:
            InputError: The frame is not what the model takes; nothing has changed.
        """
        observation = self._inference.observe(frame)
        change = self.monitor.update(observation)
        recent = self._recent.add(observation, frame.content)
        if isinstance(change, Alarm):
            event = self._open(change, observation)
            samples = self._collect(self._recent.since(change.start_index))
            return Outcome(observation=observation, drift_events=(event,), samples=samples)
        if isinstance(change, Recovery):
            samples = self._evidence.hand_out()
            closed = self._evidence.close(change.recovery_index, observation.capture_time)
            self._recent.clear()  # what is normal starts here
            return Outcome(observation=observation, drift_events=closed, samples=samples)
        return Outcome(observation=observation, samples=self._collect((recent,)))

    def apply_feedback(self, items: Sequence[FeedbackItem]) -> FeedbackResult:
        """Learns from judgements, all of a batch or none, and answers every item.

        An item that was answered before gets the same answer and has no effect. Items that can never be used are
        REJECTED one by one; the others are tried together on a copy. If the copy may stand it replaces the original,
        the monitor is calibrated for it in the same step, and an open event ends; if not, everything stays as it was
        and they are REJECTED with the reason.
        """
        fresh = {item.feedback_id: item for item in items if self._answered.get(item.feedback_id) is None}
        if not permissions(self.mode).may_learn:
            result = FeedbackResult(acknowledgements=tuple(self._deferred(fresh)))
        else:
            result = self._learn_from(list(fresh.values()))
        self._answered.keep(result.acknowledgements)
        new = {answer.feedback_id: answer for answer in result.acknowledgements}
        answers = [new.get(item.feedback_id) or self._answered.get(item.feedback_id) for item in items]
        return replace(result, acknowledgements=tuple(answer for answer in answers if answer))

    def _deferred(self, fresh: dict[str, FeedbackItem]) -> list[Acknowledgement]:
        reason = f"the device is in mode {self.mode.value} and does not learn"
        return [_answer(feedback_id, FeedbackOutcome.DEFERRED, reason=reason) for feedback_id in fresh]

    def _learn_from(self, items: Sequence[FeedbackItem]) -> FeedbackResult:
        batch = read_batch(items, self.learned, self._quarantine, self._model.feature_space)
        answers = [
            _answer(feedback_id, FeedbackOutcome.REJECTED, reason=reason)
            for feedback_id, reason in batch.turned_down.items()
        ]
        if not batch.usable:
            return FeedbackResult(acknowledgements=tuple(answers), changed=bool(answers))
        trial = self._trial(batch)
        reason, change = trial.objection, None
        if not reason:
            try:
                change = self._change(batch, trial)
            except InputError as error:
                reason = f"the monitors cannot be calibrated for the change: {error}"
        if reason:
            answers += [
                _answer(item.feedback_id, FeedbackOutcome.REJECTED, reason=reason) for item in batch.usable
            ]
            return FeedbackResult(acknowledgements=tuple(answers), changed=True)
        effect = self._effect(trial)
        answers += [
            _answer(item.feedback_id, FeedbackOutcome.APPLIED, effect=effect) for item in batch.usable
        ]
        closed, samples = self._commit(batch, change)
        return FeedbackResult(
            acknowledgements=tuple(answers),
            effect=effect,
            changed=True,
            drift_events=closed,
            samples=samples,
        )

    def _trial(self, batch: Batch) -> Trial:
        trials = Trials(
            self.learned,
            self._judgements,
            self._quarantine.samples(),
            self._settings,
            added=list(batch.added.values()),
            dropped=batch.dropped,
        )
        return trials.best()

    def _effect(self, trial: Trial) -> AdaptationEffect:
        return AdaptationEffect(
            adaptation_id=self._clock.new_id(),
            judged_accuracy_before=trial.before.judged_accuracy,
            judged_accuracy_after=trial.after.judged_accuracy,
            judged_sample_count=len(trial.after.judged),
            reference_accuracy_before=trial.before.reference_accuracy,
            reference_accuracy_after=trial.after.reference_accuracy,
            reference_sample_count=len(trial.after.reference),
            propagated_sample_count=trial.shadow.propagated_count,
            commit_time=self._clock.now(),
        )

    def _change(self, batch: Batch, trial: Trial) -> "_Change | None":
        """Calibrates for what the trial found; None when the classifier stays as it is."""
        if not batch.added and not any(sample_id in self.learned.knn for sample_id in batch.dropped):
            return None
        event = self._evidence.event
        # Only a drift that people judged may count as the new normal; labels of an earlier one say nothing of it.
        judged = event is not None and any(
            item.drift_event_id == event.drift_event_id for item in batch.usable
        )
        normal_since = event.alarm.start_index if event and judged else self._normal_since
        calibration = self._calibrated(trial.shadow.learned, normal_since)
        return _Change(
            learned=replace(trial.shadow.learned, calibration=calibration),
            monitor=build_monitor(calibration, self._settings.monitor_name),
            judgements=trial.shadow.judgements,
            normal_since=normal_since,
        )

    def _commit(
        self, batch: Batch, change: "_Change | None"
    ) -> tuple[tuple[DriftEvent, ...], tuple[Sample, ...]]:
        """Puts the change in place, all of it; returns the event that it closed, and that event's evidence."""
        for sample_id in batch.dropped:
            self._quarantine.remove(sample_id)
        if change is None:
            return (), ()
        self._inference.learned = change.learned
        self.monitor = change.monitor
        self._judgements = change.judgements
        self._normal_since = change.normal_since
        self.adaptation_count += 1
        samples = self._evidence.hand_out()
        return self._evidence.close(self._recent.newest_index, self._clock.now()), samples

    def _calibrated(self, learned: LearnedState, normal_since: int | None) -> Calibration:
        """Calibrates for ``learned``: on the stream since the drift it was adapted to, if there was one."""
        recent = [] if normal_since is None else self._recent.since(normal_since)
        return recalibrate(
            learned,
            {frame.observation.source_index: frame.observation.embedding for frame in recent},
            {sample.observation.source_index: sample.sample_id for sample in self._quarantine.samples()},
            least_count=self._settings.recalibration_frame_count,
            rng=np.random.default_rng((self._settings.seed, self.adaptation_count)),
        )

    def _open(self, alarm: Alarm, observation: Observation) -> DriftEvent:
        first = next(iter(self._recent.since(alarm.start_index))).observation
        event = DriftEvent(
            drift_event_id=self._clock.new_id(),
            model=self._model,
            alarm=alarm,
            start_time=first.capture_time,
            detect_time=observation.capture_time,
        )
        self._evidence.open(event)
        return event

    def _collect(self, frames: Sequence[RecentFrame]) -> tuple[Sample, ...]:
        """Gives frames of an open event to the evidence; returns what it hands out."""
        law = self.learned.calibration.distance
        samples: list[Sample] = []
        for frame in frames if self._evidence.event else ():
            prediction = frame.observation.prediction
            samples += self._evidence.collect(
                frame, law.standardise(prediction.mean_distance, prediction.label)
            )
        return tuple(samples)

    def state(self) -> tuple[Json, Arrays]:
        """Returns all that the device learned and was about to do, recent frames excepted."""
        learned_meta, learned_arrays = self.learned.parts()
        samples_meta, samples_arrays = pack_samples(self._quarantine.samples())
        judged_meta, judged_arrays = self._judgements.parts()
        meta = {
            "version": _VERSION,
            "bundle_sha256": self._model.bundle_sha256,
            "learned": learned_meta,
            "monitor": self.monitor.state(),
            "quarantine": samples_meta,
            "judgements": judged_meta,
            "evidence": self._evidence.state(),
            "answered": self._answered.state(),
            "adaptation_count": self.adaptation_count,
            "normal_since": self._normal_since,
        }
        arrays = {
            **nested("learned", learned_arrays),
            **nested("quarantine", samples_arrays),
            **nested("judgements", judged_arrays),
        }
        return meta, arrays

    def restore(self, meta: Json, arrays: Arrays) -> None:
        """Takes up a state that `state` returned.

        Raises:
            StateError: It is damaged, of an unknown version, or made with another bundle; nothing has changed.
        """
        if meta.get("version") != _VERSION:
            raise StateError(f"pipeline: expected state of version {_VERSION}, got {meta.get('version')!r}")
        if meta.get("bundle_sha256") != self._model.bundle_sha256:
            raise StateError(
                f"pipeline: expected state of bundle {self._model.bundle_sha256}, got {meta.get('bundle_sha256')!r}"
            )
        with reading("pipeline"):
            learned = LearnedState.from_parts(meta["learned"], unnested("learned", arrays))
            monitor = build_monitor(learned.calibration, self._settings.monitor_name)
            monitor.restore(meta["monitor"])
            samples = unpack_samples(meta["quarantine"], unnested("quarantine", arrays))
            judgements = Judgements.from_parts(meta["judgements"], unnested("judgements", arrays))
            adaptation_count = int(meta["adaptation_count"])
            normal_since = None if meta["normal_since"] is None else int(meta["normal_since"])
            answered = AnsweredFeedback.from_state(meta["answered"], self._settings.applied_feedback_count)
            self._evidence.restore(meta["evidence"])
        self._inference.learned, self.monitor, self._judgements = learned, monitor, judgements
        self.adaptation_count, self._normal_since, self._answered = adaptation_count, normal_since, answered
        self._recent.clear()
        self._quarantine.clear()
        for sample in samples:
            self._quarantine.add(sample)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Change:
    """All that a committed adaptation replaces."""

    learned: LearnedState
    monitor: Monitor
    judgements: Judgements
    normal_since: int | None


def _answer(
    feedback_id: str, outcome: FeedbackOutcome, *, reason: str = "", effect: AdaptationEffect | None = None
) -> Acknowledgement:
    return Acknowledgement(feedback_id=feedback_id, outcome=outcome, reason=reason, effect=effect)

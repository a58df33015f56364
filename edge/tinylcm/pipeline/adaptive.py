"""The device's whole road in one object: classify, notice drift, gather evidence, adapt."""

from collections.abc import Sequence

from tinylcm.core.adapt.predicted_mix import PredictedMix
from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.core.drift.monitor import Monitor
from tinylcm.errors import StateError
from tinylcm.pipeline.adapting import Adapted, Adapting, Inline, Steps
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.evidence import EvidenceCollector, SampleMaker
from tinylcm.pipeline.far_samples import FarSamples
from tinylcm.pipeline.feedback import AnsweredFeedback
from tinylcm.pipeline.feedback_learner import FeedbackLearner
from tinylcm.pipeline.inference import InferencePipeline
from tinylcm.pipeline.laps import Laps
from tinylcm.pipeline.learned import LearnedState
from tinylcm.pipeline.outcome import Outcome, outcome_of
from tinylcm.pipeline.packing import nested, pack_samples, reading, unnested, unpack_samples
from tinylcm.pipeline.questions import Questions
from tinylcm.pipeline.recent import RecentFrame, RecentFrames
from tinylcm.pipeline.self_adaptation import SelfAdaptation
from tinylcm.pipeline.surroundings import Surroundings
from tinylcm.pipeline.transactions import Transactions
from tinylcm.ports import Arrays, Clock, ImageEncoder, Json, Worker
from tinylcm.records import (
    Adaptation,
    Alarm,
    DriftCause,
    DriftEvent,
    FeedbackItem,
    Frame,
    Mode,
    ModelReference,
    Observation,
    Recovery,
    Sample,
)

_VERSION = 3


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
        worker: Worker | None = None,
    ) -> None:
        """Puts the parts together; a ``worker`` does what takes long beside the frames, else they wait for it."""
        settings = settings or AdaptiveSettings()
        maker = SampleMaker(model, clock, image_encoder)
        self.mode = mode
        self._inference = inference
        self._quarantine = quarantine
        self._evidence = EvidenceCollector(quarantine, maker, settings)
        self._recent = RecentFrames(
            frame_count=settings.recent_frame_count, size_bytes=settings.recent_size_bytes
        )
        self._far = FarSamples(quarantine, maker, settings)
        self._questions = Questions(quarantine, maker, self._recent, settings)
        self._around = Surroundings(
            quarantine=quarantine,
            evidence=self._evidence,
            recent=self._recent,
            mix=PredictedMix(settings.mix_frame_count),
            settings=settings,
            clock=clock,
            model=model,
        )
        self.laps = Laps(clock)
        self._transactions = Transactions(inference, monitor, self._around)
        self._learner = FeedbackLearner(self._transactions, self._around)
        self._self = SelfAdaptation(self._transactions, self._around)
        self._adapting = Adapting(worker or Inline())
        self._is_due = False

    @property
    def learned(self) -> LearnedState:
        """What the device knows now."""
        return self._inference.learned

    @property
    def monitor(self) -> Monitor:
        """What watches the stream now."""
        return self._transactions.monitor

    @property
    def open_event(self) -> DriftEvent | None:
        """The drift that lasts, or None."""
        return self._evidence.event

    @property
    def adaptation_count(self) -> int:
        """Changes put in place so far, those taken back included."""
        return self._transactions.adaptation_count

    @property
    def adaptations(self) -> tuple[Adaptation, ...]:
        """The last adaptations, oldest first, each in its latest state."""
        return self._transactions.lineage.records

    @property
    def on_probation(self) -> bool:
        """Whether a change is being watched before it is confirmed or taken back."""
        return self._transactions.probation is not None

    @property
    def is_adapting(self) -> bool:
        """Whether an adaptation is under way: only frames may come until `finish` has told what came of it."""
        return self._adapting.is_busy

    def process(self, frame: Frame) -> Outcome:
        """Classifies a frame and follows the drift it may belong to.

        Raises:
            InputError: The frame is not what the model takes; nothing has changed.
        """
        self.laps.begin()
        observation = self._inference.observe(frame, self.laps)
        news = self.monitor.update(observation)
        self.laps.lap()
        recent = self._recent.add(observation, frame.content)
        if self.on_probation:
            samples = self._collect((recent,))
            adapted = self._begin(self._self.watch(news))
            return outcome_of(observation, (), samples, adapted)
        if isinstance(news, Alarm):
            event = self._open(news, observation)
            return self._follow(observation, self._recent.since(news.start_index), (event,))
        if isinstance(news, Recovery):
            samples = self._evidence.hand_out()
            closed = self._evidence.close(news.recovery_index, observation.capture_time)
            self._recent.clear()  # what is normal starts here
            return Outcome(observation=observation, drift_events=closed, samples=samples)
        return self._follow(observation, (recent,))

    def apply_feedback(self, items: Sequence[FeedbackItem]) -> Adapted:
        """Learns from judgements, all of a batch or none, and answers every item; see `FeedbackLearner.apply`."""
        return self.begin_feedback(items) or self.finish(wait=True) or Adapted()

    def begin_feedback(self, items: Sequence[FeedbackItem]) -> Adapted | None:
        """Begins to learn from judgements; returns the answers if they are known at once, else `finish` does.

        Raises:
            RuntimeError: An adaptation is under way.
        """
        self._questions.answered(item.sample_id for item in items)
        return self._adapting.begin(self._learner.apply(items, self.mode))

    def finish(self, *, wait: bool) -> Adapted | None:
        """Returns, once, what came of the adaptation under way; None without one, or not ``wait`` and it goes on."""
        return self._adapting.finish(wait=wait)

    def _begin(self, steps: Steps | None) -> Adapted:
        """Begins an adaptation, unless one is under way; returns what is known of it at once."""
        if steps is None or self._adapting.is_busy:
            return Adapted()
        self._is_due = False
        return self._adapting.begin(steps) or Adapted()

    def _open(self, alarm: Alarm, observation: Observation) -> DriftEvent:
        first = next(iter(self._recent.since(alarm.start_index))).observation
        event = DriftEvent(
            drift_event_id=self._around.clock.new_id(),
            model=self._around.model,
            alarm=alarm,
            start_time=first.capture_time,
            detect_time=observation.capture_time,
        )
        self._far.forget_since(alarm.start_index)
        self._questions.begin_anew()
        self._evidence.open(event)
        self._is_due = False
        return event

    def _follow(
        self, observation: Observation, frames: Sequence[RecentFrame], events: tuple[DriftEvent, ...] = ()
    ) -> Outcome:
        """Gives frames to the open event, or remembers what is normal; adapts when enough has come together."""
        event = self._evidence.event
        asked: tuple[Sample, ...] = ()
        if event is None or event.alarm.cause is DriftCause.PRIOR_SHIFT:
            self._around.mix.add(observation.source_index, observation.prediction.label)
            asked = self._questions.take(observation.source_index, self._distance_score)
        if event is None:
            far = self._far.take(frames[-1], self._distance_score(observation), self.learned)
            return Outcome(observation=observation, samples=(*asked, *far))
        evidence = self._collect(frames)
        self._is_due = self._is_due or bool(evidence)  # what is under way goes first
        adapted = self._begin(self._self.try_out(self.mode) if self._is_due else None)
        return outcome_of(observation, events, (*asked, *evidence), adapted)

    def _collect(self, frames: Sequence[RecentFrame]) -> tuple[Sample, ...]:
        """Gives frames of an open event to the evidence; returns what it hands out."""
        samples: list[Sample] = []
        for frame in frames:
            samples += self._evidence.collect(frame, self._distance_score(frame.observation))
        return tuple(samples)

    def _distance_score(self, observation: Observation) -> float:
        prediction = observation.prediction
        return self.learned.calibration.distance.standardise(prediction.mean_distance, prediction.label)

    def state(self) -> tuple[Json, Arrays]:
        """Returns all that the device learned and was about to do, recent frames excepted."""
        known_meta, known_arrays = self._transactions.state()
        samples_meta, samples_arrays = pack_samples(self._quarantine.samples())
        meta = {
            "version": _VERSION,
            "bundle_sha256": self._around.model.bundle_sha256,
            **known_meta,
            "quarantine": samples_meta,
            "evidence": self._evidence.state(),
            "answered": self._learner.answered.state(),
            "mix": self._around.mix.state(),
            "far_samples": self._far.state(),
            "questions": self._questions.state(),
        }
        return meta, {**known_arrays, **nested("quarantine", samples_arrays)}

    def restore(self, meta: Json, arrays: Arrays) -> None:
        """Takes up a state that `state` returned.

        Raises:
            StateError: It is damaged, of an unknown version, or made with another bundle; nothing has changed.
        """
        self._check_owner(meta)
        settings = self._around.settings
        with reading("pipeline"):
            samples = unpack_samples(meta["quarantine"], unnested("quarantine", arrays))
            answered = AnsweredFeedback.from_state(meta["answered"], settings.applied_feedback_count)
            mix = PredictedMix.from_state(
                meta["mix"]["names"], meta["mix"]["frames"], settings.mix_frame_count
            )
            far = str(meta["far_samples"]["chosen_id"]), int(meta["far_samples"]["chosen_index"])
            questions = self._questions.read(meta["questions"])
            evidence = self._evidence.read(meta["evidence"])
            self._transactions.restore(meta, arrays)
        self._evidence.take_up(evidence)
        self._far.restore(*far)
        self._questions.take_up(questions)
        self._learner.answered, self._around.mix = answered, mix
        self._recent.clear()
        self._quarantine.clear()
        for sample in samples:
            self._quarantine.add(sample)

    def _check_owner(self, meta: Json) -> None:
        if meta.get("version") != _VERSION:
            raise StateError(f"pipeline: expected state of version {_VERSION}, got {meta.get('version')!r}")
        expected = self._around.model.bundle_sha256
        if meta.get("bundle_sha256") != expected:
            raise StateError(
                f"pipeline: expected state of bundle {expected}, got {meta.get('bundle_sha256')!r}"
            )

"""The thread that owns the pipeline: takes frames and orders, one at a time, and never waits for the disk.

It waits for the disk only where nothing may happen before all is durable: a switch of models, and the end.
"""

import logging
from collections.abc import Callable

from tinylcm.daemon.adaptations import Adaptations
from tinylcm.daemon.checkpoints import Checkpoints
from tinylcm.daemon.engine import Engine
from tinylcm.daemon.inbox import ActivateModel, ApplyFeedback, ChangeMode, Inbox, Order
from tinylcm.daemon.models import Models
from tinylcm.daemon.predictions import LoggedPrediction, Predictions
from tinylcm.daemon.starts import HEALTHY_PREDICTIONS
from tinylcm.daemon.vitals import Vitals
from tinylcm.errors import InputError
from tinylcm.pipeline.outcome import Outcome
from tinylcm.ports import Clock
from tinylcm.records import Frame
from tinylcm.settings import SnapshotSettings

_LOGGER = logging.getLogger(__name__)
_TICK_S = 0.2
_FLUSH_S = 0.5


class InferenceLoop:
    """Everything that happens to a model, in one thread.

    Args:
        next_index: Index of the next frame to process.
        notify: Called when evidence or answers may be sent.

    Attributes:
        step_count: Grows several times a second, unless something holds the thread up.
    """

    def __init__(
        self,
        inbox: Inbox,
        models: Models,
        checkpoints: Checkpoints,
        predictions: Predictions,
        vitals: Vitals,
        *,
        settings: SnapshotSettings,
        clock: Clock,
        next_index: int,
        notify: Callable[[], None],
    ) -> None:
        self._inbox = inbox
        self._models = models
        self._checkpoints = checkpoints
        self._adaptations = Adaptations(models, checkpoints, vitals, clock)
        self._predictions = predictions
        self._vitals = vitals
        self._settings = settings
        self._clock = clock
        self._next_index = next_index
        self._notify = notify
        self._frames_since = self._frames_under_way = 0
        self._saved_s = self._flushed_s = clock.monotonic_s()
        self._has_failed = False
        self.step_count = 0
        self._vitals.engine = models.engine

    def run(self) -> None:
        """Works until the inbox is closed, then makes the last checkpoint."""
        while not self._inbox.is_closed:
            self.step()
        self._make_durable()

    def step(self) -> None:
        """Does one piece of work, or waits a moment for one."""
        self.step_count += 1
        work = self._inbox.take(
            timeout_s=_TICK_S,
            with_frames=self._models.engine is not None,
            with_orders=not self.is_adapting,
        )
        if isinstance(work, Frame):
            self._see(work)
        elif work is not None:
            self._obey(work)
        self._vitals.engine = self._models.engine
        if self.is_adapting and self._adaptations.finish(wait=False):
            self._checkpoint()
        self._take_result(wait=False)
        now_s = self._clock.monotonic_s()
        if self._is_checkpoint_due(now_s):
            self._checkpoint()
        elif now_s - self._flushed_s >= _FLUSH_S:
            self._predictions.flush()
            self._flushed_s = now_s

    @property
    def is_adapting(self) -> bool:
        """Whether an adaptation is under way: then frames go on, orders and checkpoints wait."""
        return self._adaptations.is_under_way

    def settle(self) -> None:
        """Returns when the adaptation and the checkpoint under way, if there are any, have ended."""
        if self._adaptations.finish(wait=True):
            self._checkpoint()
        self._take_result(wait=True)

    def _see(self, frame: Frame) -> None:
        engine = self._models.engine
        if engine is None or frame.source_index < self._next_index:
            return
        laps = engine.pipeline.laps
        try:
            outcome = engine.pipeline.process(frame)
        except InputError as error:
            self._refuse(frame, error)
            return
        except Exception as error:
            if not self._models.survives(error):
                raise
            _LOGGER.exception("frame %d broke the bundle on trial", frame.source_index)
            return
        laps.lap()
        self._vitals.latencies.add(laps.seconds)
        self._take(engine, outcome)
        self._pass(frame)
        self._models.count_success()
        if self._vitals.counters.predictions == HEALTHY_PREDICTIONS:
            self._checkpoints.note_survival()

    def _take(self, engine: Engine, outcome: Outcome) -> None:
        self._vitals.counters.predictions += 1
        self._vitals.counters.lost_lines = self._predictions.lost_count
        if outcome.drift_events or outcome.samples or outcome.adaptations:
            self._checkpoints.add(
                events=outcome.drift_events, samples=outcome.samples, adaptations=outcome.adaptations
            )
        if outcome.adaptations:
            self._adaptations.count(outcome.adaptations)
        seen = outcome.observation
        drifting = engine.pipeline.monitor.drifting
        self._predictions.append(
            LoggedPrediction(seen.source_index, seen.capture_time, seen.prediction, drifting, engine.model)
        )

    def _refuse(self, frame: Frame, error: InputError) -> None:
        self._vitals.counters.refused_frames += 1
        if self._vitals.counters.refused_frames & (self._vitals.counters.refused_frames - 1) == 0:
            _LOGGER.warning(
                "frame %d is refused, number %d: %s",
                frame.source_index,
                self._vitals.counters.refused_frames,
                error,
            )
        self._pass(frame)
        self._models.count_refusal()

    def _pass(self, frame: Frame) -> None:
        self._next_index = frame.source_index + 1
        self._frames_since += 1

    def _obey(self, order: Order) -> None:
        if isinstance(order, ApplyFeedback):
            if self._adaptations.learn(order.items):
                self._checkpoint()
        elif isinstance(order, ChangeMode):
            self._models.change_mode(order.mode)
        elif isinstance(order, ActivateModel):
            self._make_durable()
            self._models.activate(self._next_index)

    def _is_checkpoint_due(self, now_s: float) -> bool:
        if self._checkpoints.is_busy or self.is_adapting:
            return False  # an adaptation is whole in a snapshot, or a crash repeats all that led to it
        if self._has_failed:  # a full disk is tried again at the usual pace, not with every frame
            return now_s - self._saved_s >= self._settings.every_s
        if self._checkpoints.has_evidence:
            return True
        if not self._frames_since:
            return False
        is_late = now_s - self._saved_s >= self._settings.every_s
        return is_late or self._frames_since >= self._settings.every_frame_count

    def _make_durable(self) -> None:
        self.settle()
        self._checkpoint()
        self.settle()

    def _checkpoint(self) -> None:
        """Begins one, unless the one before goes on or nothing has happened since."""
        engine = self._models.engine
        if self._checkpoints.is_busy:
            return
        if engine is None or not (self._frames_since or self._checkpoints.has_evidence):
            return
        self._predictions.flush_durably()
        self._saved_s = self._clock.monotonic_s()
        self._frames_under_way, self._frames_since = self._frames_since, 0
        self._checkpoints.make(engine, self._next_index)
        self._vitals.hold(self._clock.monotonic_s() - self._saved_s)

    def _take_result(self, *, wait: bool) -> None:
        result = self._checkpoints.finish(wait=wait)
        if result is None:
            return
        self._has_failed = not result.is_made
        if self._has_failed:
            self._frames_since += self._frames_under_way
        self._vitals.counters.drift_events += result.new_event_count
        if result.has_news:
            self._notify()

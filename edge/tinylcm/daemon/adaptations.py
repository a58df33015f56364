"""What comes of adapting, on its way from the pipeline to the next checkpoint."""

import logging
from collections.abc import Callable, Sequence

from tinylcm.daemon.checkpoints import Checkpoints
from tinylcm.daemon.memory import return_free_memory
from tinylcm.daemon.models import Models
from tinylcm.daemon.vitals import Vitals
from tinylcm.pipeline.adapting import Adapted
from tinylcm.ports import Clock
from tinylcm.records import Adaptation, AdaptationKind, AdaptationState, FeedbackItem

_LOGGER = logging.getLogger(__name__)


class Adaptations:
    """Begins them, takes over what came of them, and counts; used by the inference thread only."""

    def __init__(self, models: Models, checkpoints: Checkpoints, vitals: Vitals, clock: Clock) -> None:
        self._models = models
        self._checkpoints = checkpoints
        self._vitals = vitals
        self._clock = clock

    @property
    def is_under_way(self) -> bool:
        """Whether one is under way: then frames go on, orders and checkpoints wait."""
        engine = self._models.engine
        return engine is not None and engine.pipeline.is_adapting

    def learn(self, items: Sequence[FeedbackItem]) -> bool:
        """Begins to learn from people; returns whether it has ended already. Without a model they come again."""
        engine = self._models.engine
        return engine is not None and self._step(lambda: engine.pipeline.begin_feedback(items))

    def finish(self, *, wait: bool) -> bool:
        """Takes over what came of the one under way; returns whether it has ended."""
        engine = self._models.engine
        return engine is not None and self._step(lambda: engine.pipeline.finish(wait=wait))

    def _step(self, step: Callable[[], Adapted | None]) -> bool:
        started_s = self._clock.monotonic_s()
        try:
            adapted = step()
        except Exception as error:
            if not self._models.survives(error):
                raise
            _LOGGER.exception("an adaptation broke the bundle on trial")
            return False
        self._vitals.hold(self._clock.monotonic_s() - started_s)
        if adapted is None:
            return False
        self._checkpoints.add(
            events=adapted.drift_events,
            samples=adapted.samples,
            acknowledgements=adapted.acknowledgements,
            adaptations=adapted.adaptations,
        )
        self.count(adapted.adaptations)
        return True

    def count(self, adaptations: Sequence[Adaptation]) -> None:
        """Counts what was put in place, refused, and taken back, and gives back the memory that it took.

        A label-free change counts when it is committed.
        """
        counters = self._vitals.counters
        for adaptation in adaptations:
            human = adaptation.kind is AdaptationKind.HUMAN_LABELS
            placed = AdaptationState.CONFIRMED if human else AdaptationState.COMMITTED
            counters.adaptations += adaptation.state is placed
            counters.refused_adaptations += adaptation.state is AdaptationState.REFUSED
            counters.rolled_back_adaptations += adaptation.state is AdaptationState.ROLLED_BACK
        return_free_memory()

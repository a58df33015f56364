"""Skeleton: signatures are final, bodies follow."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.core.drift.monitor import Monitor
from tinylcm.pipeline.inference import InferencePipeline
from tinylcm.ports import Arrays, Clock, ImageEncoder, Json
from tinylcm.records import (
    Acknowledgement,
    AdaptationEffect,
    DriftEvent,
    FeedbackItem,
    Frame,
    Mode,
    ModelReference,
    Observation,
    Sample,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveSettings:
    """Bounds and tolerances; the composition root fills them from the device's settings."""

    evidence_sample_count: int = 60
    collect_sample_count: int = 200
    recent_frame_count: int = 256
    recent_size_bytes: int = 8 << 20
    reference_accuracy_tolerance: float = 0.02
    applied_feedback_count: int = 4096
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one frame led to; both tuples are empty for most frames."""

    observation: Observation
    drift_events: tuple[DriftEvent, ...] = ()
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackResult:
    """What became of a batch of feedback: one answer per item, and the event that a commit closed."""

    acknowledgements: tuple[Acknowledgement, ...]
    effect: AdaptationEffect | None = None
    drift_events: tuple[DriftEvent, ...] = ()


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
    ) -> None: ...

    def process(self, frame: Frame) -> Outcome: ...

    def apply_feedback(self, items: Sequence[FeedbackItem]) -> FeedbackResult: ...

    def state(self) -> tuple[Json, Arrays]: ...

    def restore(self, meta: Json, arrays: Arrays) -> None: ...

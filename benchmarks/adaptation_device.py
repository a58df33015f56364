"""The real pipeline on embeddings that were made before, and a reviewer who knows the truth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from benchmarks.adaptation_streams import Part
from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.core.drift.calibration import build_monitor
from tinylcm.pipeline import change
from tinylcm.pipeline.adaptive import AdaptivePipeline
from tinylcm.pipeline.inference import InferencePipeline
from tinylcm.pipeline.learned import REFERENCE_PREFIX, LearnedState
from tinylcm.records import (
    Adaptation,
    Decision,
    FeedbackItem,
    FloatVector,
    Frame,
    Image,
    Mode,
    ModelReference,
    Sample,
)

_START = datetime(2025, 1, 1, tzinfo=UTC)
_SPACE = "cd" * 32
_MODEL = ModelReference(model_name="", version=0, bundle_sha256="ab" * 32, feature_space=_SPACE)


class _Embeddings:
    """An extractor whose inputs are embeddings already."""

    feature_space = _SPACE
    runtime = "embedded before"

    def extract(self, content: NDArray[np.generic]) -> FloatVector:
        return np.asarray(content, dtype=np.float32)


class _NoPictures:
    def encode(self, content: NDArray[np.generic]) -> Image | None:
        return None


class _Clock:
    """A second a call, ids in sequence."""

    def __init__(self) -> None:
        self._count = 0

    def now(self) -> datetime:
        self._count += 1
        return _START + timedelta(seconds=self._count)

    def monotonic_s(self) -> float:
        return float(self._count)

    def new_id(self) -> str:
        self._count += 1
        return f"01930000-0000-7000-8000-{self._count:012d}"


def keep_calibrations() -> None:
    """From now on changes keep the calibration there was: labels and corrections are learned all the same."""
    change.recalibrate = lambda learned, *_, **__: learned.calibration


class Device:
    """A device at work; keeps the truth that the pipeline never sees."""

    def __init__(self, learned: LearnedState, mode: Mode) -> None:
        self._known = learned.class_names
        self._truths: list[str] = []
        self._judged_count = 0
        self.evidence: list[Sample] = []
        self.asked: list[Sample] = []
        self.adaptations: list[Adaptation] = []
        self.at_commit: LearnedState | None = None
        self.quarantine = Quarantine()
        self.pipeline = AdaptivePipeline(
            InferencePipeline(_Embeddings(), learned),
            build_monitor(learned.calibration),
            self.quarantine,
            model=_MODEL,
            mode=mode,
            clock=_Clock(),
            image_encoder=_NoPictures(),
        )

    def see(self, part: Part) -> None:
        """Shows a part of a stream; `at_commit` becomes what the last label-free change made, before it is watched."""
        for embedding, truth in zip(part.embeddings, part.truths, strict=True):
            index = len(self._truths)
            self._truths.append(str(truth))
            outcome = self.pipeline.process(Frame(source_index=index, capture_time=_START, content=embedding))
            for sample in outcome.samples:
                (self.evidence if sample.drift_event_id else self.asked).append(sample)
            self.adaptations += outcome.adaptations
            if outcome.adaptations and self.pipeline.on_probation:
                self.at_commit = self.pipeline.learned

    def learn(self, samples: Sequence[Sample], labels: Sequence[str] | None = None) -> None:
        """Has a person judge samples, as they truly are unless labels are given, and the device learn from that."""
        truths = [self.truth_of(sample) for sample in samples] if labels is None else labels
        items = [self._judge(sample, label) for sample, label in zip(samples, truths, strict=True)]
        self.adaptations += self.pipeline.apply_feedback(items).adaptations

    def truth_of(self, sample: Sample) -> str:
        """The class that a sample really is of."""
        return self._truths[sample.observation.source_index]

    def automatic_labels(self, judged: Sequence[Sample] = ()) -> list[bool]:
        """Whether each label that no person gave is right."""
        people = {sample.sample_id for sample in judged}
        samples = {sample.sample_id: sample for sample in self.quarantine.samples()}
        knn = self.pipeline.learned.knn
        return [
            self.truth_of(samples[sample_id]) == label
            for sample_id, label in zip(knn.sample_ids, knn.labels, strict=True)
            if not sample_id.startswith(REFERENCE_PREFIX) and sample_id not in people and sample_id in samples
        ]

    def _judge(self, sample: Sample, label: str) -> FeedbackItem:
        self._judged_count += 1
        if label not in self._known:
            decision = Decision.NEW_LABEL
        elif label == sample.observation.prediction.label:
            decision, label = Decision.NOT_DRIFT, ""
        else:
            decision = Decision.CONFIRMED_LABEL
        return FeedbackItem(
            feedback_id=f"feedback-{self._judged_count}",
            sequence=self._judged_count,
            sample_id=sample.sample_id,
            drift_event_id=sample.drift_event_id,
            decision=decision,
            label=label,
            embedding=sample.observation.embedding,
            feature_space=_SPACE,
        )


def hits(learned: LearnedState, part: Part) -> NDArray[np.bool_]:
    """Whether each sample of a part is classified as its truth says, ``(n,)``."""
    points = learned.projection.apply_many(part.embeddings)
    predicted = np.array([learned.knn.predict(point).label for point in points])
    return np.asarray(predicted == part.truths)

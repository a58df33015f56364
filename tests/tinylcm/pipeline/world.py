"""A small world for the pipeline: classes are clouds of vectors, the extractor hands them through."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.tinylcm.builders import START, HandClock
from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.core.drift.calibration import build_monitor
from tinylcm.errors import InputError
from tinylcm.pipeline.adaptive import AdaptivePipeline
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.inference import InferencePipeline
from tinylcm.pipeline.learned import LearnedState, learn
from tinylcm.pipeline.outcome import Outcome
from tinylcm.ports import Worker
from tinylcm.records import (
    Adaptation,
    Decision,
    DriftEvent,
    FeedbackItem,
    Frame,
    Image,
    Mode,
    ModelReference,
    Sample,
)

KNOWN = ("coat", "dress", "shirt")
NOVEL = "bag"
DIMENSION_COUNT = 12
MODEL = ModelReference(model_name="clouds", version=3, bundle_sha256="ab" * 32, feature_space="cd" * 32)
SETTINGS = AdaptiveSettings(
    evidence_sample_count=30,
    collect_sample_count=80,
    recalibration_frame_count=60,
    question_frame_count=1_000_000,  # questions without an alarm have tests of their own
)

_DRAWN = np.random.default_rng(3).normal(size=(4, DIMENSION_COUNT)) * 1.4
CENTRES = dict(zip((*KNOWN, NOVEL), _DRAWN.astype(np.float32), strict=True))


class VectorExtractor:
    """The content of a frame is its embedding."""

    feature_space = MODEL.feature_space
    runtime = "vectors 1.0"

    def extract(self, content: NDArray[np.generic]) -> NDArray[np.float32]:
        if content.shape != (DIMENSION_COUNT,):
            raise InputError(f"content: expected shape ({DIMENSION_COUNT},), got {content.shape}")
        return np.asarray(content, dtype=np.float32)


class RawImages:
    """Pictures are the bytes of the content, so that a test can tell whose picture it is."""

    def encode(self, content: NDArray[np.generic]) -> Image | None:
        return Image(format="PNG", content=content.tobytes())


def draw(
    rng: np.random.Generator, count: int, *, classes: Sequence[str] = KNOWN, novel_share: float = 0.0
) -> tuple[NDArray[np.float32], list[str]]:
    """Embeddings and their true classes."""
    labels = [NOVEL if rng.random() < novel_share else str(rng.choice(classes)) for _ in range(count)]
    vectors = np.array([CENTRES[label] for label in labels]) + rng.normal(size=(count, DIMENSION_COUNT))
    return vectors.astype(np.float32), labels


def learned_state(seed: int = 0) -> LearnedState:
    """What a device starts with: 240 reference samples, 8 components, room for 200 more."""
    rng = np.random.default_rng(seed)
    embeddings, labels = draw(rng, 240)
    return learn(embeddings, labels, component_count=8, capacity=440, rng=rng, runtime="vectors 1.0")


@dataclass
class World:
    """A pipeline, everything it said, and the truth of every frame."""

    learned: LearnedState
    mode: Mode = Mode.VALIDATED_LEARNING
    settings: AdaptiveSettings = SETTINGS
    clock: HandClock = field(default_factory=HandClock)
    truth: list[str] = field(default_factory=list)
    events: list[DriftEvent] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    far: list[Sample] = field(default_factory=list)
    adaptations: list[Adaptation] = field(default_factory=list)
    item_count: int = 0
    worker: Worker | None = None

    def __post_init__(self) -> None:
        self.quarantine = Quarantine(capacity=150)
        self.pipeline = self.new_pipeline()

    def new_pipeline(self, model: ModelReference = MODEL) -> AdaptivePipeline:
        return AdaptivePipeline(
            InferencePipeline(VectorExtractor(), self.learned),
            build_monitor(self.learned.calibration),
            self.quarantine,
            model=model,
            mode=self.mode,
            clock=self.clock,
            image_encoder=RawImages(),
            settings=self.settings,
            worker=self.worker,
        )

    def see(self, embeddings: NDArray[np.float32], labels: Iterable[str]) -> list[Outcome]:
        """Shows frames to the device, one second apart."""
        outcomes = []
        for content, label in zip(embeddings, labels, strict=True):
            self.clock.forward(1.0)
            frame = Frame(source_index=len(self.truth), capture_time=self.clock.now(), content=content)
            self.truth.append(label)
            outcome = self.pipeline.process(frame)
            self.events += outcome.drift_events
            self.samples += [sample for sample in outcome.samples if sample.drift_event_id]
            self.far += [sample for sample in outcome.samples if not sample.drift_event_id]
            self.adaptations += outcome.adaptations
            outcomes.append(outcome)
        return outcomes

    def judge(self, sample: Sample, **changes: Any) -> FeedbackItem:
        """What a reviewer who knows the truth says of a sample."""
        label = self.truth[sample.observation.source_index]
        predicted = sample.observation.prediction.label
        known = Decision.NOT_DRIFT if label == predicted else Decision.CONFIRMED_LABEL
        decision = known if label in KNOWN else Decision.NEW_LABEL
        self.item_count += 1
        item = FeedbackItem(
            feedback_id=f"feedback-{self.item_count}",
            sequence=self.item_count,
            sample_id=sample.sample_id,
            drift_event_id=sample.drift_event_id,
            decision=decision,
            label="" if decision is Decision.NOT_DRIFT else label,
            embedding=sample.observation.embedding,
            feature_space=MODEL.feature_space,
        )
        return replace(item, **changes)

    def accuracy(self, embeddings: NDArray[np.float32], labels: Sequence[str]) -> float:
        """Of what the device knows now, without showing it the frames."""
        learned = self.pipeline.learned
        hits = [
            learned.knn.predict(point).label == label
            for point, label in zip(learned.projection.apply_many(embeddings), labels, strict=True)
        ]
        return sum(hits) / len(hits)

    def in_novel_drift(self, *, seed: int = 5, drifted_count: int = 120) -> World:
        """Sees ordinary frames, then some of which 40 % are of a class it never saw."""
        rng = np.random.default_rng(seed)
        self.see(*draw(rng, 150))
        assert not self.events
        self.see(*draw(rng, drifted_count, novel_share=0.4))
        return self


def state_through_json(pipeline: AdaptivePipeline) -> tuple[dict[str, Any], dict[str, NDArray[np.generic]]]:
    """A pipeline's state as a snapshot would bring it back."""
    meta, arrays = pipeline.state()
    return json.loads(json.dumps(meta, allow_nan=False)), {
        name: array.copy() for name, array in arrays.items()
    }


__all__ = [
    "CENTRES",
    "KNOWN",
    "MODEL",
    "NOVEL",
    "SETTINGS",
    "START",
    "World",
    "draw",
    "learned_state",
    "state_through_json",
]

"""What a drift benchmark runs on: a calibrated device, and streams of which the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tinylcm.pipeline.learned import LearnedState
from tinylcm.records import Observation

MOMENT = datetime(2025, 1, 1, tzinfo=UTC)
CLEAN_COUNT = 1_000
"""Undrifted observations before a drift."""
HORIZON_COUNT = 1_000
"""A drift that is not found within so many observations is missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of a stream: embeddings ``(n, d)`` and true class names ``(n,)``, and whether it is drifted."""

    embeddings: NDArray[np.float32]
    truths: NDArray[np.str_]
    drifted: bool


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A named sequence of segments, shown to a device; ``kind`` is what is measured on it."""

    name: str
    kind: str
    segments: Sequence[Segment]
    learned: LearnedState

    @cached_property
    def observations(self) -> list[Observation]:
        """The segments as the device sees them."""
        embeddings = np.concatenate([segment.embeddings for segment in self.segments])
        points = self.learned.projection.apply_many(embeddings)
        return [
            Observation(
                source_index=index,
                capture_time=MOMENT,
                embedding=embeddings[index],
                point=point,
                prediction=self.learned.knn.predict(point),
            )
            for index, point in enumerate(points)
        ]

    @cached_property
    def drifted(self) -> NDArray[np.bool_]:
        """Whether each observation is drifted, ``(n,)``."""
        return np.concatenate([np.full(len(part.truths), part.drifted) for part in self.segments])

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each observation is classified as its truth says, ``(n,)``."""
        truths = np.concatenate([part.truths for part in self.segments])
        predicted = np.array([observation.prediction.label for observation in self.observations])
        return np.asarray(predicted == truths)

    @property
    def start(self) -> int:
        """Index of the first drifted observation; the length when there is none."""
        return int(self.drifted.argmax()) if self.drifted.any() else len(self.drifted)

    @property
    def end(self) -> int:
        """Index after the last drifted observation."""
        return len(self.drifted) - int(self.drifted[::-1].argmax())


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A device with its streams; worlds with one ``group`` differ only by their seed."""

    group: str
    seed: int
    learned: LearnedState
    streams: Sequence[Stream]

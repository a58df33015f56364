"""A motion sensor in recording order: neighbours in time are alike, people tire, no two recordings are the same.

The extractor never met the persons. What is stored and calibrated on is the beginning of every recording; the
device then sees the ends, or, more severely, a person of whom nothing is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.fashion_images import MODELS
from benchmarks.worlds import Segment, Stream, World
from demo.motions import WINDOW_SAMPLES, Recording, load_motions, unseen
from demo.sensor_faults import SENSOR_FAULTS
from tinylcm.pipeline.learned import LearnedState, learn
from tools.models.embedding import Extractor, runtime_name

STORED_SHARE = 0.6
CAPACITY = 1_000
COMPONENT_COUNT = 32
HOP_SAMPLES = 12
_GAP_WINDOWS = -(-WINDOW_SAMPLES // HOP_SAMPLES)
"""Windows left out between what is stored and what is shown, so that none overlap."""
_FAULT_RECORDINGS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Consecutive windows of a recording and their embeddings."""

    recording: Recording
    windows: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    def segment(self) -> Segment:
        return Segment(embeddings=self.embeddings, truths=self.truths, drifted=False)

    @property
    def truths(self) -> NDArray[np.str_]:
        return np.full(len(self.windows), self.recording.label)


class Motions:
    """All recordings of the persons that the extractor never met, embedded."""

    def __init__(self) -> None:
        self._extractor = Extractor(MODELS / "motion_cnn" / "model.tflite")
        self.recordings = unseen(load_motions())
        windows = [recording.windows(HOP_SAMPLES) for recording in self.recordings]
        self._parts = [
            _Part(recording=recording, windows=part, embeddings=self._extractor.embed_windows(part))
            for recording, part in zip(self.recordings, windows, strict=True)
        ]

    def same_people(self, seed: int, *, recorded: bool = True, with_faults: bool = True) -> World:
        """The ends of all recordings, in the stored order for seed 0, else in a random one.

        Args:
            seed: Order of the recordings and draw of the stored samples.
            recorded: Whether to calibrate on recordings as a whole, or as if windows were independent.
            with_faults: Whether to add streams with a broken sensor.
        """
        rng = np.random.default_rng(seed)
        learned = _learn([_cut(part, end=STORED_SHARE) for part in self._parts], rng, recorded=recorded)
        order = rng.permutation(len(self._parts)) if seed else np.arange(len(self._parts))
        ends = [_cut(self._parts[index], start=STORED_SHARE) for index in order]
        stay = Stream(
            name="same people", kind="in order", segments=[end.segment() for end in ends], learned=learned
        )
        faults = self._faults(learned, ends, rng) if with_faults else ()
        return World(group="motions", seed=seed, learned=learned, streams=[stay, *faults])

    def new_people(self, seed: int) -> Iterator[World]:
        """Everything of one person, calibrated on all the others; one world per person."""
        for person in sorted({recording.person for recording in self.recordings}):
            others = [part for part in self._parts if part.recording.person != person]
            own = [part for part in self._parts if part.recording.person == person]
            learned = _learn(others, np.random.default_rng(seed), recorded=True)
            stream = Stream(
                name="new people", kind="in order", segments=[part.segment() for part in own], learned=learned
            )
            yield World(group="motions, new person", seed=seed, learned=learned, streams=[stream])

    def _faults(
        self, learned: LearnedState, ends: Sequence[_Part], rng: np.random.Generator
    ) -> Iterator[Stream]:
        before, after = ends[:_FAULT_RECORDINGS], ends[_FAULT_RECORDINGS : 2 * _FAULT_RECORDINGS]
        for name, fault in SENSOR_FAULTS.items():
            broken = [
                Segment(
                    embeddings=self._extractor.embed_windows(fault(part.windows, rng)),
                    truths=part.truths,
                    drifted=True,
                )
                for part in after
            ]
            segments = [*(part.segment() for part in before), *broken]
            yield Stream(name=name, kind="fault", segments=segments, learned=learned)


def _cut(part: _Part, *, start: float = 0.0, end: float = 1.0) -> _Part:
    count = len(part.windows)
    first = int(count * start) + (_GAP_WINDOWS if start else 0)
    chosen = slice(first, int(count * end))
    return _Part(recording=part.recording, windows=part.windows[chosen], embeddings=part.embeddings[chosen])


def _learn(parts: Sequence[_Part], rng: np.random.Generator, *, recorded: bool) -> LearnedState:
    return learn(
        np.concatenate([part.embeddings for part in parts]),
        np.concatenate([part.truths for part in parts]).tolist(),
        component_count=COMPONENT_COUNT,
        capacity=CAPACITY,
        recordings=[part.recording.recording_id for part in parts for _ in part.windows]
        if recorded
        else None,
        rng=rng,
        runtime=runtime_name(),
    )

"""Streams on which a device adapts: undrifted images, then drifted ones, and drifted ones that it never sees.

The class mix stays or moves with the sensor; no image comes twice. What is drifted comes from the test file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.fashion_images import FashionImages, FashionSource, Rows, names_of
from benchmarks.fashion_streams import (
    COMPONENT_COUNT,
    FITTED_COUNT,
    NOVEL_PAIRS,
    STORED_COUNT,
    balanced_rows,
)
from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.pipeline.learned import LearnedState, learn
from tools.models.embedding import runtime_name

BEFORE_COUNT = 400
DRIFTED_COUNT = 700
HELD_COUNT = 1_000
ROOM_COUNT = 500
"""Samples that a device may learn beside those it was made with."""
NOVEL_SHARE = 0.3
CORRUPTED = ("noise3", "bright3", "contrast1", "rot20")
QUICK_CORRUPTED = ("noise3",)
MIXES: Mapping[str, tuple[slice, slice]] = {
    "balanced": (slice(None), slice(None)),
    "3 classes": (slice(3), slice(3)),
    "1 class": (slice(1), slice(1)),
    "8 to 3": (slice(None), slice(3)),
    "8 to 1": (slice(None), slice(1)),
    "3 to 3": (slice(3), slice(3, 6)),
    "3 to 8": (slice(3), slice(None)),
}
"""Which of the shuffled known classes are seen before the drift, and during it."""
SKEWED = ("3 classes", "1 class")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Embeddings ``(n, d)`` and true class names ``(n,)``."""

    embeddings: NDArray[np.float32]
    truths: NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a device sees ``before`` and ``drifted``, and what it is judged on, ``held``.

    ``drift`` names a corruption, a novel share, or nothing for a clean stream.
    """

    drift: str
    mix: str
    before: Part
    drifted: Part
    held: Part

    @property
    def name(self) -> str:
        """Drift and mix."""
        return f"{self.drift or 'clean'}, {self.mix}"


class AdaptationWorld:
    """A freshly fitted device of one group and seed, and its scenarios."""

    def __init__(self, images: FashionImages, group: str, seed: int) -> None:
        self.group = group
        self.seed = seed
        self._rng = np.random.default_rng((seed, 4, *NOVEL_PAIRS[group]))
        self._source = FashionSource(images, group, NOVEL_PAIRS[group])
        self._pool, self._test = images.pool.labels, images.test.labels
        fitted = balanced_rows(self._source, FITTED_COUNT, self._rng)
        learned = learn(
            self._source.pool(fitted),
            names_of(self._pool[fitted]).tolist(),
            component_count=COMPONENT_COUNT,
            capacity=STORED_COUNT,
            rng=self._rng,
            runtime=runtime_name(),
        )
        meta, arrays = learned.knn.state()
        knn = LightweightKNN.from_state(meta | {"capacity": STORED_COUNT + ROOM_COUNT}, arrays)
        self.learned: LearnedState = replace(learned, knn=knn)
        self._rest = np.setdiff1d(self._source.known(self._pool), fitted)
        self._known = np.unique(self._test[self._source.known(self._test)])

    def label_free(self, corrupted: tuple[str, ...]) -> Iterator[Scenario]:
        """Every corruption under every mix, novel classes with and without one, and clean streams."""
        for drift in corrupted:
            for mix in MIXES:
                yield self._scenario(drift, mix)
        for novel in self._source.novel_pair:
            yield self._scenario("", "balanced", novel=novel)
            yield self._scenario(corrupted[0], "balanced", novel=novel)
        for mix in ("balanced", *SKEWED):
            yield self._scenario("", mix)

    def corruptions(self, corrupted: tuple[str, ...]) -> Iterator[Scenario]:
        """Every corruption of balanced classes."""
        for drift in corrupted:
            yield self._scenario(drift, "balanced")

    def novelties(self) -> Iterator[Scenario]:
        """Either novel class among the known ones."""
        for novel in self._source.novel_pair:
            yield self._scenario("", "balanced", novel=novel)

    def _scenario(self, drift: str, mix: str, *, novel: int | None = None) -> Scenario:
        classes = self._rng.permutation(self._known)
        first, then = MIXES[mix]
        before = self._rng.permutation(self._rest[np.isin(self._pool[self._rest], classes[first])])
        rows = self._rng.permutation(np.flatnonzero(np.isin(self._test, classes[then])))
        count = min(DRIFTED_COUNT, len(rows) * 6 // 10)
        seen, held = rows[:count].copy(), rows[count : count + HELD_COUNT].copy()
        if novel is not None:
            self._mix_in(novel, seen, held)
        return Scenario(
            drift=", ".join(filter(None, (drift, "" if novel is None else "30 % novel"))),
            mix=mix,
            before=self._part(self._source.pool, self._pool, before[:BEFORE_COUNT]),
            drifted=self._part(lambda part: self._source.test(part, drift), self._test, seen),
            held=self._part(lambda part: self._source.test(part, drift), self._test, held),
        )

    def _mix_in(self, novel: int, *parts: Rows) -> None:
        """Replaces a share of every part by images of the novel class."""
        others = list(self._rng.permutation(np.flatnonzero(self._test == novel)))
        for part in parts:
            for position in np.flatnonzero(self._rng.random(len(part)) < NOVEL_SHARE):
                if others:
                    part[position] = others.pop()

    @staticmethod
    def _part(embed: Callable[[Rows], NDArray[np.float32]], labels: NDArray[np.uint8], rows: Rows) -> Part:
        return Part(embeddings=embed(rows), truths=names_of(labels[rows]))

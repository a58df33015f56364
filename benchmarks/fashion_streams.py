"""Fashion-MNIST as a device would see it: streams that stay, drift, return, or change their class mix.

What is undrifted comes from train[40000:], what is drifted from the test file. No image comes twice in a stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from benchmarks.fashion_images import FashionImages, FashionSource, Rows, names_of
from benchmarks.worlds import CLEAN_COUNT, HORIZON_COUNT, Segment, Stream, World
from demo.corruptions import CORRUPTIONS
from tinylcm.pipeline.learned import LearnedState, learn
from tools.models.embedding import runtime_name

TUNING_GROUP = "fashion_cnn"
NOVEL_PAIRS: Mapping[str, tuple[int, int]] = {
    TUNING_GROUP: (1, 8),
    "fashion_cnn_3_5": (3, 5),
    "fashion_cnn_6_9": (6, 9),
}
PRETRAINED = "efficientnet_lite0"
STORED_COUNT = 1_000
FITTED_COUNT = 4_000
"""Labelled images that a model is fitted and calibrated on; the device stores `STORED_COUNT` of them."""
COMPONENT_COUNT = 64
"""Dimensions of a point: all of the small extractors' embedding, and as many of the pretrained one's."""
STATIONARY_COUNT = 10_000
SUSTAINED_COUNT = 1_500
NOVEL_SHARES = {"novel100": 1.0, "novel30": 0.3, "novel10": 0.1}
RAMP_SHARE = 0.6
RECURRING_COUNT = 400
RECURRING_TIMES = 3
RETURNING = ("noise1", "noise3", "bright3", "contrast1", "rot20", "occlude", "novel30")
LABEL_SHIFT_RUNS = 6


def fashion_world(
    images: FashionImages,
    extractor: str,
    group: str,
    seed: int,
    *,
    scenarios: frozenset[str] | None = None,
    fitted_count: int = FITTED_COUNT,
) -> World:
    """A device with 1,000 stored samples of the known classes, and its streams.

    Args:
        images: What it may see.
        extractor: Folder below ``models/``.
        group: One of `NOVEL_PAIRS`; names the classes that are novel.
        seed: Chooses every image.
        scenarios: Names of drifts to make; all when None.
        fitted_count: Labelled images that the model is fitted and calibrated on.
    """
    rng = np.random.default_rng((seed, *NOVEL_PAIRS[group]))
    source = FashionSource(images, extractor, NOVEL_PAIRS[group])
    fitted = balanced_rows(source, fitted_count, rng)
    learned = learn(
        source.pool(fitted),
        names_of(images.pool.labels[fitted]).tolist(),
        component_count=COMPONENT_COUNT,
        capacity=STORED_COUNT,
        rng=rng,
        runtime=runtime_name(),
    )
    rest = np.setdiff1d(source.known(images.pool.labels), fitted)
    maker = _StreamMaker(source, learned, rest, rng, scenarios)
    return World(
        group=group if extractor == group else f"{extractor}/{group}",
        seed=seed,
        learned=learned,
        streams=[maker.stationary(), *maker.drifts(), *maker.returns(), *maker.label_shifts()],
    )


def balanced_rows(source: FashionSource, fitted_count: int, rng: np.random.Generator) -> Rows:
    labels = source.images.pool.labels
    known = np.unique(labels[source.known(labels)])
    count = fitted_count // len(known)
    return np.concatenate([rng.permutation(np.flatnonzero(labels == label))[:count] for label in known])


class _StreamMaker:
    """Draws streams of one world."""

    def __init__(
        self,
        source: FashionSource,
        learned: LearnedState,
        rest: Rows,
        rng: np.random.Generator,
        scenarios: frozenset[str] | None,
    ) -> None:
        self._source = source
        self._scenarios = scenarios
        self._learned = learned
        self._rest = rest
        self._rng = rng
        self._test_labels = source.images.test.labels
        self._known = source.known(self._test_labels)

    def stationary(self) -> Stream:
        """Undrifted images, `STATIONARY_COUNT` where there are so many."""
        pool = self._undrifted(min(STATIONARY_COUNT, len(self._rest)))
        missing = STATIONARY_COUNT - len(pool.truths)
        segments = [pool]
        if missing > 0:
            rows = self._rng.permutation(self._known)[:missing]
            segments.append(self._segment(rows, drifted=False))
        return self._stream("stationary", "stationary", *segments)

    def drifts(self) -> Iterator[Stream]:
        """Undrifted images, then a drift that stays."""
        for novel in self._source.novel_pair:
            for name in self._wanted(NOVEL_SHARES):
                shares = np.full(HORIZON_COUNT, NOVEL_SHARES[name])
                yield self._drift(name, self._novel(novel, shares))
            for name in self._wanted(["novel ramp"]):
                yield self._drift(name, self._novel(novel, np.linspace(0, RAMP_SHARE, HORIZON_COUNT)))
        for name in self._wanted(CORRUPTIONS):
            yield self._drift(name, self._corrupted(name, HORIZON_COUNT))
        for name in self._wanted(["recurring"]):
            parts = []
            for _ in range(RECURRING_TIMES):
                parts += [self._corrupted("noise3", RECURRING_COUNT), self._undrifted(RECURRING_COUNT)]
            yield self._stream(name, "recurring", self._undrifted(), *parts)
        for name in self._wanted(["bright ramp"]):
            rows = self._rng.permutation(self._known)[:HORIZON_COUNT]
            embeddings = self._source.brightening(rows, self._rng)
            yield self._drift(name, Segment(embeddings=embeddings, truths=self._truths(rows), drifted=True))

    def returns(self) -> Iterator[Stream]:
        """Drifts that last and end."""
        for name in self._wanted(RETURNING):
            drifted = self._sustained(name)
            yield self._stream(name, "return", self._undrifted(), drifted, self._undrifted())

    def label_shifts(self) -> Iterator[Stream]:
        """Undrifted images of all known classes, then of two."""
        known = np.unique(self._test_labels[self._known])
        for _ in range(LABEL_SHIFT_RUNS):
            two = self._rng.permutation(known)[:2]
            rows = self._rng.permutation(np.flatnonzero(np.isin(self._test_labels, two)))[:HORIZON_COUNT]
            yield self._stream("two classes", "label shift", self._undrifted(), self._segment(rows))

    def _wanted(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if self._scenarios is None or name in self._scenarios]

    def _drift(self, name: str, drifted: Segment) -> Stream:
        return self._stream(name, "drift", self._undrifted(), drifted)

    def _stream(self, name: str, kind: str, *segments: Segment) -> Stream:
        return Stream(name=name, kind=kind, segments=segments, learned=self._learned)

    def _undrifted(self, count: int = CLEAN_COUNT) -> Segment:
        rows = self._rng.permutation(self._rest)[:count]
        truths = names_of(self._source.images.pool.labels[rows])
        return Segment(embeddings=self._source.pool(rows), truths=truths, drifted=False)

    def _sustained(self, name: str) -> Segment:
        if name == "novel30":
            novel = int(self._rng.choice(self._source.novel_pair))
            return self._novel(novel, np.full(SUSTAINED_COUNT, NOVEL_SHARES[name]))
        return self._corrupted(name, SUSTAINED_COUNT)

    def _corrupted(self, name: str, count: int) -> Segment:
        rows = self._rng.permutation(self._known)[:count]
        return self._segment(rows, name)

    def _novel(self, novel: int, shares: np.ndarray) -> Segment:
        """Known images, each replaced by one of the novel class with its share's probability."""
        rows = self._rng.permutation(self._known)[: len(shares)]
        others = self._rng.permutation(np.flatnonzero(self._test_labels == novel))
        replaced = np.flatnonzero(self._rng.random(len(rows)) < shares[: len(rows)])[: len(others)]
        rows[replaced] = others[: len(replaced)]
        return self._segment(rows)

    def _segment(self, rows: Rows, corruption: str = "", *, drifted: bool = True) -> Segment:
        embeddings = self._source.test(rows, corruption)
        return Segment(embeddings=embeddings, truths=self._truths(rows), drifted=drifted)

    def _truths(self, rows: Rows) -> np.ndarray:
        return names_of(self._test_labels[rows])

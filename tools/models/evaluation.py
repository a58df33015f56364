"""How good embeddings are for the loop: nearest-neighbour accuracy and novelty seen in the distance.

The same recipe as on the device: standardise and project by what the reference images say, then 5 neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demo.corruptions import CORRUPTIONS
from demo.dataset import LabelledImages, Subset

NEIGHBOUR_COUNT = 5
PCA_DIMENSIONS = 32
CORRUPTION_SEED = 0

Floats = NDArray[np.float32]
Embed = Callable[[NDArray[np.uint8]], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Standardisation and principal components, fitted on reference embeddings ``(n, d)``."""

    mean: Floats
    deviation: Floats
    components: Floats

    @classmethod
    def fit(cls, reference: Floats, dimensions: int = PCA_DIMENSIONS) -> Projection:
        mean, deviation = reference.mean(axis=0), np.maximum(reference.std(axis=0), np.float32(1e-6))
        rows = np.linalg.svd((reference - mean) / deviation, full_matrices=False)[2]
        return cls(mean=mean, deviation=deviation, components=rows[:dimensions].T)

    def apply(self, embeddings: Floats) -> Floats:
        return np.asarray((embeddings - self.mean) / self.deviation @ self.components, dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """A labelled reference set that answers with a vote and a mean distance."""

    embed: Embed
    projection: Projection
    points: Floats
    labels: NDArray[np.uint8]

    @classmethod
    def of(cls, embed: Embed, reference: LabelledImages) -> Neighbourhood:
        embeddings = embed(reference.images)
        projection = Projection.fit(embeddings)
        return cls(
            embed=embed, projection=projection, points=projection.apply(embeddings), labels=reference.labels
        )

    def query(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Floats]:
        """Predicted class ``(n,) uint8`` and mean distance to the five neighbours ``(n,) float32``."""
        points = self.projection.apply(self.embed(images))
        return vote(self.points, self.labels, points)


def vote(reference: Floats, labels: NDArray[np.uint8], points: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """Predicted class ``(n,) uint8`` and mean distance ``(n,) float32`` to the five nearest of ``reference (m, p)``."""
    squares = (points**2).sum(axis=1)[:, None] + (reference**2).sum(axis=1) - 2 * points @ reference.T
    distances = np.sqrt(np.maximum(squares, 0))
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :NEIGHBOUR_COUNT]
    votes = np.stack([(labels[nearest] == label).sum(axis=1) for label in range(labels.max() + 1)], axis=1)
    mean_distances = np.take_along_axis(distances, nearest, axis=1).mean(axis=1)
    return votes.argmax(axis=1).astype(np.uint8), mean_distances


def evaluate(embed: Embed, subset: Subset, novel_classes: Sequence[int]) -> dict[str, object]:
    """Figures for a model card; the holdout's known classes give accuracy, its novel ones the AUROC of distance."""
    reference, holdout = subset.split("reference"), subset.split("holdout")
    known = ~np.isin(holdout.labels, novel_classes)
    images, labels = holdout.images[known], holdout.labels[known]
    neighbourhood = Neighbourhood.of(embed, reference)
    predicted, distances = neighbourhood.query(images)
    return {
        "reference_count": len(reference.labels),
        "holdout_count": len(labels),
        "neighbour_count": NEIGHBOUR_COUNT,
        "pca_dimensions": PCA_DIMENSIONS,
        "accuracy": _accuracy(predicted, labels),
        "novelty_auroc": {
            subset.class_names[label]: _rounded(
                auroc(distances, neighbourhood.query(holdout.images[holdout.labels == label])[1])
            )
            for label in novel_classes
        },
        "accuracy_when_corrupted": {
            name: _accuracy(
                neighbourhood.query(corrupt(images, np.random.default_rng(CORRUPTION_SEED)))[0], labels
            )
            for name, corrupt in CORRUPTIONS.items()
        },
    }


def auroc(negatives: Floats, positives: Floats) -> float:
    """Probability that a positive scores above a negative, ties counted half (Mann and Whitney 1947)."""
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, side="left")
    not_above = np.searchsorted(ordered, positives, side="right")
    return float((below + not_above).mean() / (2 * len(negatives)))


def _accuracy(predicted: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
    return _rounded(float((predicted == labels).mean()))


def _rounded(value: float) -> float:
    return round(value, 4)

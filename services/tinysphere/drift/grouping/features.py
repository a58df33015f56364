"""What samples are compared by: the direction of their vector, and the known classes around it. Pure NumPy."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tinysphere.domain.drift import Neighbour, Sample

Vectors = NDArray[np.float32]
Mean = NDArray[np.float64]
FloatT = TypeVar("FloatT", np.float32, np.float64)

LABEL_WEIGHT = 0.3
"""Weight of the neighbours' classes beside the vector's direction; tuned on the tuning extractor (ADR 20)."""
NEAREST_DISTANCE = 1e-6
"""Neighbours nearer than this weigh as if they were that far."""
FLOOR = 0.5
"""Length, in lengths of the mean vector, of what all vectors have in common. Without it, samples of one kind alone,
which lie around their own mean, would look as different as samples can (ADR 20)."""


def features(embeddings: Vectors, shares: Vectors, mean: Mean) -> Vectors:
    """Unit vectors whose product is the similarity of two samples, or of a sample and a centre.

    The product is ``1 - LABEL_WEIGHT`` times the cosine of the vectors at unit length without the mean of their space,
    each with one more coordinate of ``FLOOR`` times that mean's length, plus ``LABEL_WEIGHT`` times the cosine of the
    shares that known classes have among the neighbours.

    Args:
        embeddings: ``(n, d) float32``, of samples at unit length, or means of groups.
        shares: ``(n, l) float32``, one column a label.
        mean: ``(d,) float64`` of the feature space.

    Returns:
        ``(n, d + 1 + l) float32``.
    """
    floor = np.full((len(embeddings), 1), FLOOR * max(float(np.linalg.norm(mean)), 1e-9), dtype=np.float32)
    directions = _unit(np.concatenate([(embeddings - mean).astype(np.float32), floor], axis=1))
    scales = np.sqrt(np.array([1 - LABEL_WEIGHT, LABEL_WEIGHT], dtype=np.float32))
    return np.concatenate([scales[0] * directions, scales[1] * _unit(shares)], axis=1)


def cosines(first: Vectors, second: Vectors, dimension_count: int) -> NDArray[np.float64]:
    """The cosines alone of feature vectors, ``(n, f)`` with ``(n, f)`` or ``(f,)``; returns ``(n,) float64``."""
    width = dimension_count + 1
    products = np.sum(first[..., :width] * second[..., :width], axis=-1, dtype=np.float64)
    return np.clip(products / (1 - LABEL_WEIGHT), -1, 1)


def embedding_matrix(samples: Sequence[Sample]) -> Vectors:
    """The vectors of samples of one feature space at unit length, ``(n, d) float32``; that of zeros stays.

    Without its length no vector, however long, moves the mean of all further than another.
    """
    content = b"".join(sample.embedding.values for sample in samples)
    rows = np.frombuffer(content, dtype="<f4").reshape(len(samples), -1).astype(np.float64)
    return _unit(rows).astype(np.float32)


def label_shares(neighbours: Sequence[Neighbour]) -> Mapping[str, float]:
    """Share of each label among neighbours, each weighted by the inverse of its distance; sums to 1.

    >>> label_shares([Neighbour(sample_id="", label="a", distance=1), Neighbour(sample_id="", label="b", distance=3)])
    {'a': 0.75, 'b': 0.25}
    """
    weights: dict[str, float] = {}
    for neighbour in neighbours:
        weight = 1 / max(neighbour.distance, NEAREST_DISTANCE)
        weights[neighbour.label] = weights.get(neighbour.label, 0.0) + weight
    total = sum(weights.values())
    return {label: weight / total for label, weight in weights.items()}


def share_matrix(shares: Sequence[Mapping[str, float]], labels: Mapping[str, int]) -> Vectors:
    """Shares by column, ``(n, len(labels)) float32``; labels that have no column are left out."""
    matrix = np.zeros((len(shares), len(labels)), dtype=np.float32)
    for row, entry in enumerate(shares):
        for label, share in entry.items():
            if label in labels:
                matrix[row, labels[label]] = share
    return matrix


def _unit(rows: NDArray[FloatT]) -> NDArray[FloatT]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0))

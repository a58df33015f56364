"""Standardisation and principal components: from an embedding to the point the classifier works on."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.distances import FloatMatrix
from tinylcm.errors import InputError
from tinylcm.records import FloatVector

_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transform:
    """``point = components @ ((embedding - scaler_mean) / scaler_scale - pca_mean)``.

    Attributes:
        scaler_mean: ``(d,) float64``.
        scaler_scale: ``(d,) float64``, above 0.
        pca_mean: ``(d,) float64``, mean of the standardised embeddings.
        components: ``(p, d) float64``, orthonormal rows, largest variance first.
    """

    scaler_mean: NDArray[np.float64]
    scaler_scale: NDArray[np.float64]
    pca_mean: NDArray[np.float64]
    components: NDArray[np.float64]
    _centre: FloatVector = field(init=False, repr=False)
    _weights: FloatMatrix = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("scaler_mean", "scaler_scale", "pca_mean", "components"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
        _check_parameters(self.scaler_mean, self.scaler_scale, self.pca_mean, self.components)
        # One subtraction and one product per frame; the centre is taken off first, so that large offsets
        # do not cancel in float32.
        centre = self.scaler_mean + self.scaler_scale * self.pca_mean
        object.__setattr__(self, "_centre", centre.astype(np.float32))
        object.__setattr__(self, "_weights", (self.components / self.scaler_scale).astype(np.float32))

    @property
    def embedding_dimension_count(self) -> int:
        """Length ``d`` of an embedding."""
        return int(self.components.shape[1])

    @property
    def point_dimension_count(self) -> int:
        """Length ``p`` of a point."""
        return int(self.components.shape[0])

    def apply(self, embedding: FloatVector) -> FloatVector:
        """Returns the point of one embedding ``(d,)``, ``(p,) float32``.

        Raises:
            InputError: ``embedding`` has another shape.
        """
        if embedding.shape != self._centre.shape:
            raise InputError(f"embedding: expected shape {self._centre.shape}, got {embedding.shape}")
        point: FloatVector = self._weights.dot(embedding - self._centre)
        return point

    def apply_many(self, embeddings: NDArray[np.floating]) -> FloatMatrix:
        """Returns the points of ``(n, d)`` embeddings, ``(n, p) float32``.

        Raises:
            InputError: ``embeddings`` has another shape.
        """
        if embeddings.ndim != 2 or embeddings.shape[1:] != self._centre.shape:
            raise InputError(f"embeddings: expected shape (n, {len(self._centre)}), got {embeddings.shape}")
        return np.asarray((embeddings - self._centre) @ self._weights.T, dtype=np.float32)


def fit_transform_parameters(embeddings: NDArray[np.floating], component_count: int) -> Transform:
    """Learns scaler and principal components from ``(n, d)`` embeddings.

    Equal to scikit-learn's StandardScaler followed by PCA(svd_solver="full"), signs included: the entry of
    largest magnitude of every component is positive.

    Raises:
        InputError: Fewer than two embeddings, a value that is not finite, or a component count outside
            1 to min(n, d).
    """
    values = _checked_embeddings(embeddings, component_count)
    scaler_mean, scaler_scale = _scaler(values)
    standardised = (values - scaler_mean) / scaler_scale
    pca_mean = standardised.mean(axis=0)
    rows = np.linalg.svd(standardised - pca_mean, full_matrices=False)[2][:component_count]
    largest = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    return Transform(
        scaler_mean=scaler_mean,
        scaler_scale=scaler_scale,
        pca_mean=pca_mean,
        components=rows * np.sign(largest)[:, None],
    )


def _scaler(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and scale per column; a column that is constant up to rounding keeps scale 1."""
    mean, variance = values.mean(axis=0), values.var(axis=0)
    count = len(values)
    constant = variance <= count * _EPSILON * variance + (count * mean * _EPSILON) ** 2
    return mean, np.where(constant, 1.0, np.sqrt(variance))


def _checked_embeddings(embeddings: NDArray[np.floating], component_count: int) -> NDArray[np.float64]:
    values = np.asarray(embeddings, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise InputError(f"embeddings: expected shape (n, d) with n at least 2, got {values.shape}")
    if not np.isfinite(values).all():
        raise InputError("embeddings: every value must be finite")
    if not 1 <= component_count <= min(values.shape):
        raise InputError(f"component_count: expected 1 to {min(values.shape)}, got {component_count}")
    return values


def _check_parameters(
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
    pca_mean: NDArray[np.float64],
    components: NDArray[np.float64],
) -> None:
    if components.ndim != 2 or not mean.shape == scale.shape == pca_mean.shape == components.shape[1:]:
        shapes = f"{mean.shape}, {scale.shape}, {pca_mean.shape}, {components.shape}"
        raise InputError(f"transform: expected shapes (d,), (d,), (d,), (p, d), got {shapes}")
    if not all(np.isfinite(part).all() for part in (mean, scale, pca_mean, components)):
        raise InputError("transform: every parameter must be finite")
    if not (scale > 0).all():
        raise InputError("transform: scaler_scale must be above 0")

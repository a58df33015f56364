"""Undo what a changed sensor does to the embeddings, without shifting the classes along with it.

Re-estimating mean and deviation on drifted samples alone carries the class mix of the window into the scaler and
ruins a model when few classes are about. Here the window's moments are matched to those that the reference would have
*under the same class mix*: per dimension, with shares ``p_c`` and reference moments ``mu_c, var_c``,

    target mean     m = sum p_c mu_c
    target variance v = sum p_c (var_c + mu_c^2) - m^2
    a = std(window) / sqrt(v),  b = mean(window) - a m,  corrected = (embedding - b) / a
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.transform import Transform
from tinylcm.core.order import distinct
from tinylcm.errors import InputError

_MOST_SCALE = 10.0
"""A dimension whose spread changed by more than this, either way, is only moved, not rescaled."""

FloatColumns = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Correction:
    """``corrected = (embedding - offset) / scale``; both ``(d,) float64``, scale above 0."""

    scale: FloatColumns
    offset: FloatColumns

    @classmethod
    def identity(cls, dimension_count: int) -> "Correction":
        """Returns the correction that changes nothing."""
        return cls(scale=np.ones(dimension_count), offset=np.zeros(dimension_count))

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return bool((self.scale == 1.0).all() and (self.offset == 0.0).all())

    def applied_to(self, transform: Transform) -> Transform:
        """Returns ``transform`` for embeddings that still need the correction."""
        if (
            self.is_identity and self.scale.shape == transform.scaler_mean.shape
        ):  # a copy of 1,280 takes 1 MiB
            return transform
        return Transform(
            scaler_mean=self.scale * transform.scaler_mean + self.offset,
            scaler_scale=self.scale * transform.scaler_scale,
            pca_mean=transform.pca_mean,
            components=transform.components,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassMoments:
    """Means and variances of the reference embeddings within each class, both ``(c, d) float64``."""

    class_names: tuple[str, ...]
    means: FloatColumns
    variances: FloatColumns

    def mixed(self, mix: Mapping[str, float]) -> tuple[FloatColumns, FloatColumns]:
        """Returns mean and variance ``(d,)`` of the reference re-weighted to ``mix``, shares by class name.

        Raises:
            InputError: No share of a class of the reference is above 0.
        """
        shares = np.array([max(mix.get(name, 0.0), 0.0) for name in self.class_names], dtype=np.float64)
        if not shares.sum() > 0:
            raise InputError(
                f"mix: expected a share of one of {', '.join(self.class_names)}, got {dict(mix)}"
            )
        shares /= shares.sum()
        mean = shares @ self.means
        return mean, np.maximum(shares @ (self.variances + self.means**2) - mean**2, 0.0)


def class_moments(embeddings: NDArray[np.floating], labels: Sequence[str]) -> ClassMoments:
    """Measures ``embeddings (n, d)`` within the classes of ``labels (n,)``; classes in alphabetical order."""
    values, names = np.asarray(embeddings, dtype=np.float64), np.asarray(labels, dtype=np.str_)
    class_names = tuple(str(name) for name in distinct(names))
    groups = [values[names == name] for name in class_names]
    return ClassMoments(
        class_names=class_names,
        means=np.array([group.mean(axis=0) for group in groups]),
        variances=np.array([group.var(axis=0) for group in groups]),
    )


def match_to_mix(window: NDArray[np.floating], moments: ClassMoments, mix: Mapping[str, float]) -> Correction:
    """Estimates what a changed sensor did to ``window (n, d)``, whose classes occur as in ``mix``.

    Leave samples of unknown classes out of the window. A dimension without spread in reference or window, or whose
    spread changed beyond belief, is moved but not rescaled.

    Raises:
        InputError: Fewer than two samples, or ``mix`` names no class of the reference.
    """
    if len(window) < 2:
        raise InputError(f"window: expected two or more embeddings, got {len(window)}")
    values = np.asarray(window, dtype=np.float64)
    mean, variance = moments.mixed(mix)
    deviation, spread = values.std(axis=0), np.sqrt(variance)
    scale = np.divide(deviation, spread, out=np.ones_like(spread), where=spread > 0)
    scale[(scale < 1 / _MOST_SCALE) | (scale > _MOST_SCALE)] = 1.0
    return Correction(scale=scale, offset=values.mean(axis=0) - scale * mean)

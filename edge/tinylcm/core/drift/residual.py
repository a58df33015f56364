"""The residual of a point given its predicted class, made blind to the class mix.

A label shift moves the mean of the features only along the differences between class means. Features here are the
point, scalar scores and the predicted class as one-hot columns; they are whitened by the covariance within the
true classes, and projected onto what is orthogonal to all differences between their class means. What is left
has the same mean under every class mix: a change in it is no label shift.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.state import read_array
from tinylcm.core.order import distinct
from tinylcm.errors import StateError
from tinylcm.ports import Json

FloatArray = NDArray[np.float64]
_SMALLEST_SPREAD = 1e-9
_SMALLEST_SHRINKAGE = 0.02
_FOLD_COUNT = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResidualLaw:
    """``residual = weights @ (point, scalar scores) + offsets[predicted class]``.

    Attributes:
        classes: ``C`` class names, sorted.
        weights: ``(r, p + scalars) float64``.
        offsets: ``(C, r) float64``.
    """

    classes: tuple[str, ...]
    weights: FloatArray
    offsets: FloatArray

    @property
    def dimension_count(self) -> int:
        """Length ``r`` of a residual."""
        return len(self.weights)

    def residuals(self, inputs: FloatArray, predicted: NDArray[np.str_]) -> FloatArray:
        """Residuals ``(n, r)`` of inputs ``(n, p + scalars)`` and predicted labels ``(n,)``, not clipped."""
        return np.asarray(inputs @ self.weights.T + self.offsets[np.searchsorted(self.classes, predicted)])

    def to_json(self) -> Json:
        """Returns JSON values."""
        return {
            "classes": list(self.classes),
            "weights": self.weights.tolist(),
            "offsets": self.offsets.tolist(),
        }

    @classmethod
    def from_json(cls, stored: Json) -> "ResidualLaw":
        """Reads what `to_json` wrote; raises StateError when it is damaged."""
        classes = tuple(str(name) for name in stored.get("classes", ()))
        weights, offsets = (
            read_array(stored, "weights", "residual"),
            read_array(stored, "offsets", "residual"),
        )
        if weights.ndim != 2 or offsets.shape != (len(classes), len(weights)):
            raise StateError(
                f"residual: shapes {weights.shape} and {offsets.shape} do not fit {len(classes)}"
            )
        return cls(classes=classes, weights=weights, offsets=offsets)


def fit_residual_law(
    inputs: FloatArray, labels: NDArray[np.str_], predicted: NDArray[np.str_]
) -> ResidualLaw:
    """Estimates the law from ``(n, p + scalars)`` inputs, true and leave-one-out predicted labels ``(n,)``."""
    classes = distinct(labels)
    features = np.concatenate((inputs, one_hot(predicted, classes[:-1])), axis=1)
    means = np.stack([features[labels == name].mean(axis=0) for name in classes])
    within = features - means[np.searchsorted(classes, labels)]
    whitening = _whitening(within, len(classes))
    projection = _complement((means - means.mean(axis=0)) @ whitening.T) @ whitening
    values = (features - means.mean(axis=0)) @ projection.T
    values_mean = values.mean(axis=0)
    spread = float(np.sqrt(((values - values_mean) ** 2).mean()))
    projection /= spread if spread > _SMALLEST_SPREAD else 1.0
    constant = -(projection @ features.mean(axis=0))
    input_count = inputs.shape[1]
    return ResidualLaw(
        classes=tuple(str(name) for name in classes),
        weights=projection[:, :input_count],
        offsets=one_hot(classes, classes[:-1]) @ projection[:, input_count:].T + constant,
    )


def optimism(inputs: FloatArray, labels: NDArray[np.str_], predicted: NDArray[np.str_]) -> float:
    """How much longer residuals of fresh samples are than of those the law was fitted on, at least 1.

    Measured by fitting on four fifths and looking at the rest. Without it the thresholds would be too low.
    """
    fresh = np.empty(len(inputs))
    for fold in range(_FOLD_COUNT):
        held = np.arange(len(inputs)) % _FOLD_COUNT == fold
        rest = ~held
        if len(distinct(labels[rest])) < len(distinct(labels)):
            return 1.0
        law = fit_residual_law(inputs[rest], labels[rest], predicted[rest])
        fresh[held] = (law.residuals(inputs[held], predicted[held]) ** 2).mean(axis=1)
    law = fit_residual_law(inputs, labels, predicted)
    fitted = (law.residuals(inputs, predicted) ** 2).mean()
    return float(np.sqrt(max(fresh.mean() / fitted, 1.0)))


def one_hot(names: NDArray[np.str_], columns: NDArray[np.str_]) -> FloatArray:
    """``(n, len(columns))``: 1.0 where the name is the column's."""
    return np.asarray(names[:, None] == columns[None, :], dtype=np.float64)


def _whitening(within: FloatArray, class_count: int) -> FloatArray:
    """Rows that whiten the within-class deviations ``(n, f)``: ``(rank, f)``.

    Correlations are shrunk towards none, the more the fewer samples there are for each feature.
    """
    count, feature_count = within.shape
    covariance = within.T @ within / max(count - class_count, 1)
    deviations = np.sqrt(np.diag(covariance))
    alive = deviations > 1e-9 * max(float(deviations.max()), 1e-300)
    scale = np.where(alive, deviations, 1.0)
    shrinkage = min(1.0, max(_SMALLEST_SHRINKAGE, feature_count / (2.0 * count)))
    correlation = (1.0 - shrinkage) * covariance / np.outer(scale, scale) + shrinkage * np.diag(alive * 1.0)
    values, vectors = np.linalg.eigh(correlation)
    kept = values > 1e-6
    if not kept.any():  # one sample a class: nothing is known of the spread
        return np.eye(feature_count)
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])).T / scale)


def _complement(differences: FloatArray) -> FloatArray:
    """Orthonormal rows orthogonal to all rows of ``differences (C, rank)``; at least one is returned."""
    class_count, rank = differences.shape
    _, lengths, rows = np.linalg.svd(differences, full_matrices=True)
    used = int((lengths[: class_count - 1] > 1e-6 * max(float(lengths.max()), 1e-300)).sum())
    return np.asarray(rows[min(used, rank - 1) :])

"""The mix of predicted classes, and what it says of the true one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.state import read_array
from tinylcm.core.order import distinct
from tinylcm.errors import StateError
from tinylcm.ports import Json

FloatArray = NDArray[np.float64]
_SMALLEST_SHARE = 0.02
"""A class rarer than this is scaled as if it were so common: one sample of it must not raise an alarm."""
_SMOOTHING = 0.5
_STEP_COUNT = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MixLaw:
    """How the reference's classes are predicted.

    Attributes:
        classes: ``C`` class names, sorted.
        confusion: Share of each predicted class (column) among the samples of each true class (row),
            ``(C, C) float64``, leave-one-out.
        counts: Reference samples of each true class, ``(C,) float64``.
    """

    classes: tuple[str, ...]
    confusion: FloatArray
    counts: FloatArray

    @property
    def priors(self) -> FloatArray:
        """Share of each true class in the reference, ``(C,)``."""
        return np.asarray(self.counts / self.counts.sum())

    @property
    def predicted(self) -> FloatArray:
        """Share of each predicted class in the reference, ``(C,)``."""
        return np.asarray(self.priors @ self.confusion)

    def rows(self) -> FloatArray:
        """A score vector per predicted class, ``(C, C)``: mean 0 and variance about 1 over the reference."""
        return np.asarray((np.eye(len(self.classes)) + self.unknown_row()[None] * self._scale) / self._scale)

    def unknown_row(self) -> FloatArray:
        """The score vector of a prediction that is none of the classes, ``(C,)``."""
        return np.asarray(-self.predicted / self._scale)

    @property
    def _scale(self) -> FloatArray:
        return np.sqrt(np.maximum(self.predicted, _SMALLEST_SHARE))

    def estimate_priors(self, predicted_counts: FloatArray) -> FloatArray:
        """The true class mix that explains counts of predicted classes ``(C,)``; returns shares ``(C,)``.

        Black-box shift estimation (Lipton, Wang and Smola 2018, "Detecting and Correcting for Label Shift with
        Black Box Predictors", ICML), by expectation-maximisation (Saerens et al. 2002), which stays on the
        simplex where solving the linear system may leave it.
        """
        total = predicted_counts.sum()
        if total <= 0:
            return self.priors
        shares = predicted_counts / total
        priors = self.priors
        for _ in range(_STEP_COUNT):
            expected = np.maximum(priors @ self.confusion, 1e-12)
            priors = priors * (self.confusion @ (shares / expected))
            priors = priors / priors.sum()
        return np.asarray(priors)

    def to_json(self) -> Json:
        """Returns JSON values."""
        return {
            "classes": list(self.classes),
            "confusion": self.confusion.tolist(),
            "counts": self.counts.tolist(),
        }

    @classmethod
    def from_json(cls, stored: Json) -> "MixLaw":
        """Reads what `to_json` wrote; raises StateError when it is damaged."""
        classes = tuple(str(name) for name in stored.get("classes", ()))
        confusion, counts = read_array(stored, "confusion", "mix"), read_array(stored, "counts", "mix")
        if not classes or confusion.shape != (len(classes),) * 2 or counts.shape != (len(classes),):
            raise StateError(
                f"mix: expected {len(classes)} classes, got shapes {confusion.shape}, {counts.shape}"
            )
        return cls(classes=classes, confusion=confusion, counts=counts)


def fit_mix_law(labels: NDArray[np.str_], predicted: NDArray[np.str_]) -> MixLaw:
    """Counts how each true class ``(n,)`` was predicted ``(n,)``, with a little smoothing."""
    classes = distinct(labels)
    counts = np.array([(labels == name).sum() for name in classes], dtype=np.float64)
    hits = np.array([[(predicted[labels == name] == other).sum() for other in classes] for name in classes])
    smoothed = hits + _SMOOTHING / len(classes)
    return MixLaw(
        classes=tuple(str(name) for name in classes),
        confusion=smoothed / smoothed.sum(axis=1, keepdims=True),
        counts=counts,
    )

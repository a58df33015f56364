"""What is normal, frozen: the law of a score within each predicted class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.state import read_part
from tinylcm.core.order import distinct
from tinylcm.errors import StateError
from tinylcm.ports import Json

CLIP = 4.0
"""Bound of every score, in standard deviations: one strange observation is no drift."""
_SMALLEST_SHARE = 0.5
_PRIOR_COUNT = 10.0
"""A class of few samples is drawn to the mean of all with the weight of this many samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLaw:
    """Mean and standard deviation of a scalar within each predicted class, and over all for an unknown class.

    >>> law = ClassLaw(laws={"bag": (2.0, 0.5)}, overall=(1.0, 1.0))
    >>> law.standardise(3.0, "bag"), law.standardise(3.0, "coat")
    (2.0, 2.0)
    """

    laws: dict[str, tuple[float, float]]
    overall: tuple[float, float]

    def standardise(self, value: float, label: str) -> float:
        """Returns how many standard deviations ``value`` lies above the mean of its predicted class."""
        mean, deviation = self.laws.get(label, self.overall)
        return (value - mean) / deviation

    def scores(self, values: NDArray[np.float64], labels: NDArray[np.str_]) -> NDArray[np.float64]:
        """The same of ``(n,)`` values and labels, bounded by `CLIP`."""
        laws = np.array([self.laws.get(str(label), self.overall) for label in labels])
        return np.asarray(np.clip((values - laws[:, 0]) / laws[:, 1], -CLIP, CLIP))

    def to_json(self) -> Json:
        """Returns JSON values."""
        return {"laws": {label: list(law) for label, law in self.laws.items()}, "overall": list(self.overall)}

    @classmethod
    def from_json(cls, stored: Json) -> "ClassLaw":
        """Reads what `to_json` wrote.

        Raises:
            StateError: It is damaged.
        """
        laws = read_part(stored, "laws", "class law")
        try:
            return cls(
                laws={str(label): (float(law[0]), float(law[1])) for label, law in laws.items()},
                overall=(float(stored["overall"][0]), float(stored["overall"][1])),
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise StateError(f"class law: expected pairs of mean and deviation: {error}") from error


def fit_class_law(
    values: NDArray[np.float64], predicted: NDArray[np.str_], *, floor: float = 0.0
) -> ClassLaw:
    """Estimates a `ClassLaw` from ``values (n,)`` and the labels predicted with them ``(n,)``.

    No standard deviation is smaller than ``floor``, nor than half of that of all values: a class that seems to
    vary less would turn ordinary samples into alarms.
    """
    overall_mean, overall_variance = float(np.mean(values)), float(np.var(values))
    overall_variance = max(overall_variance, floor**2, 1e-18)
    lowest = overall_variance * _SMALLEST_SHARE**2
    laws = {}
    for label in distinct(predicted):
        members = values[predicted == label]
        weight = len(members) / (len(members) + _PRIOR_COUNT)
        mean = weight * float(np.mean(members)) + (1 - weight) * overall_mean
        variance = weight * float(np.mean((members - mean) ** 2)) + (1 - weight) * overall_variance
        laws[str(label)] = (mean, float(np.sqrt(max(variance, lowest))))
    return ClassLaw(laws=laws, overall=(overall_mean, float(np.sqrt(overall_variance))))

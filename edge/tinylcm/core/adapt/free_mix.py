"""Undo what a changed sensor does when the class mix moved with it: the cautious way, which assumes no mix.

The corrected window is taken for a mixture of the reference's classes, each normal with its own mean and variance per
dimension; mix, scale and offset are estimated together by expectation-maximisation (Dempster, Laird and Rubin 1977).
Without a mix to hold on to it may settle on a wrong one, so what it finds must pass a stricter trial.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.adapt.restandardise import ClassMoments, Correction, FloatColumns, match_to_mix

_STEPS = 30
_TEMPERATURE = 4.0
"""Dimensions of an embedding depend on each other: what they say together counts only for a quarter."""
_SMALLEST_VARIANCE = 1e-3
"""Share of the mean variance that no class falls below in any dimension."""


class FreeMatch(NamedTuple):
    """A correction, and the class mix that was estimated with it, shares by class name."""

    correction: Correction
    mix: dict[str, float]


def class_count(shares: Iterable[float]) -> float:
    """Effective number of classes of a mix, at least 1 (Simpson's index).

    A window of one or two classes fits the place of several others as well: it does not tell which.

    >>> class_count([0.5, 0.5, 0.0])
    2.0
    """
    return 1.0 / sum(share**2 for share in shares)


def match_freely(window: NDArray[np.floating], moments: ClassMoments) -> FreeMatch:
    """Estimates correction and class mix of ``window (n, d)`` together, starting without a correction.

    Raises:
        InputError: Fewer than two samples.
    """
    values = np.asarray(window, dtype=np.float64)
    variances = moments.variances + _SMALLEST_VARIANCE * max(float(moments.variances.mean()), 1e-12)
    shares = np.full(len(moments.class_names), 1.0 / len(moments.class_names))
    correction = Correction.identity(values.shape[1])
    for _ in range(_STEPS):
        corrected = (values - correction.offset) / correction.scale
        shares = _responsibilities(corrected, moments.means, variances, shares).mean(axis=0)
        correction = match_to_mix(values, moments, dict(zip(moments.class_names, shares, strict=True)))
    return FreeMatch(
        correction, {name: float(share) for name, share in zip(moments.class_names, shares, strict=True)}
    )


def _responsibilities(
    values: FloatColumns, means: FloatColumns, variances: FloatColumns, shares: FloatColumns
) -> FloatColumns:
    """How much each class accounts for each row, ``(n, c)``, rows summing to 1."""
    squares = ((values[:, None, :] - means) ** 2 / variances).sum(axis=2) + np.log(variances).sum(axis=1)
    scores = np.log(shares + 1e-9) - 0.5 * squares / _TEMPERATURE
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))

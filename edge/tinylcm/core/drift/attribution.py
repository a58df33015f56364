"""What a drift looks like, which classes and features moved, and the sentence that says so.

A prior shift is asserted only when a change of the class mix explains the window: the true mix is estimated from
the predicted one (`MixLaw.estimate_priors`), and the window's mean residual is compared with what windows of the
reference, re-weighted to that mix, would show - chance, and the error of the class means that weigh most in it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.mix import MixLaw
from tinylcm.core.drift.residual import ResidualLaw
from tinylcm.core.drift.window import DriftWindow
from tinylcm.records import DriftCause

FloatArray = NDArray[np.float64]
_MOVED_ERRORS = 3.0
_NAMED_COUNT = 3
_NOVELTY_EVENNESS = 0.76


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Cause of a drift, and what moved most, largest first."""

    cause: DriftCause
    classes: tuple[str, ...]
    features: tuple[str, ...]


def unexplained(mean: FloatArray, class_counts: FloatArray, mix: MixLaw) -> float:
    """The squared mean residual of a window over what its estimated class mix lets expect; about 1 without drift.

    Args:
        mean: ``(r,)``.
        class_counts: Predictions of each class in the window, ``(C,)``.
    """
    count = float(class_counts.sum())
    if count == 0:
        return 0.0
    priors = mix.estimate_priors(class_counts)
    expected = 1.0 / count + float((priors**2 / np.maximum(mix.counts, 1.0)).sum())
    return float(mean.dot(mean)) / (expected * len(mean))


def attribute(
    window: DriftWindow, mix: MixLaw, law: ResidualLaw, scalar_names: tuple[str, ...]
) -> Attribution:
    """Names what moved in a window that no class mix explains.

    Novelty moves the classes that it is taken for and leaves the others where they were; a change of the sensor
    or of the light moves them all.
    """
    along = _class_moves(window)
    errors = np.sqrt(1.0 / np.maximum(window.class_counts, 1e-9) + 1.0 / np.maximum(mix.counts, 1.0))
    order = np.argsort(-along * window.class_counts)
    moved = [index for index in order if along[index] > _MOVED_ERRORS * errors[index]]
    return Attribution(
        cause=DriftCause.NOVELTY if evenness(window) < _NOVELTY_EVENNESS else DriftCause.COVARIATE_SHIFT,
        classes=tuple(mix.classes[index] for index in moved[:_NAMED_COUNT]),
        features=_moved_features(window.mean, law, scalar_names),
    )


def evenness(window: DriftWindow) -> float:
    """How evenly the move is shared: 1 when all predicted classes moved alike, near 0 when one of many did."""
    along, counts = _class_moves(window), window.class_counts
    squares = float((counts * along**2).sum()) - float((counts > 0).sum())
    if squares <= 0:
        return 1.0
    return min(1.0, float((counts * along).sum()) ** 2 / (float(counts.sum()) * squares))


def sentence(attribution: Attribution, shift_sigma: float, run_length: int) -> str:
    """One sentence for people."""
    looks = {
        DriftCause.NOVELTY: "looks like inputs of a new kind",
        DriftCause.COVARIATE_SHIFT: "looks like a change of all inputs, as by sensor, light or position",
        DriftCause.PRIOR_SHIFT: "looks like another mix of the known classes",
    }[attribution.cause]
    classes = f", most in what is taken for {_listed(attribution.classes)}" if attribution.classes else ""
    features = f" ({_listed(attribution.features)})" if attribution.features else ""
    return f"For {run_length} inputs moved by {abs(shift_sigma):.1f} standard deviations{features}{classes}; {looks}."


def _class_moves(window: DriftWindow) -> FloatArray:
    """How far each predicted class moved along the window's common direction, ``(C,)``."""
    mean = window.mean
    direction = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return np.asarray(window.sums @ direction / np.maximum(window.class_counts, 1.0))


def _moved_features(mean: FloatArray, law: ResidualLaw, scalar_names: tuple[str, ...]) -> tuple[str, ...]:
    """The inputs whose implied move is largest in units of their own spread."""
    back = np.linalg.pinv(law.weights)
    moves = np.abs(back @ mean) / np.maximum(np.linalg.norm(back, axis=1), 1e-12)
    point_count = law.weights.shape[1] - len(scalar_names)
    names = [*(f"component {index}" for index in range(point_count)), *scalar_names]
    return tuple(names[index] for index in np.argsort(-moves)[:_NAMED_COUNT])


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

"""How far one observation lies from the frozen reference, in its standard deviations.

Every score without drift has mean 0 and variance 1 (a vector: the identity as covariance).
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.drift.mix import MixLaw
from tinylcm.core.drift.reference import CLIP, ClassLaw
from tinylcm.core.drift.residual import ResidualLaw
from tinylcm.errors import InputError
from tinylcm.records import Observation

FloatArray = NDArray[np.float64]
ScalarScore = Callable[[Observation], float]
VectorScore = Callable[[Observation], FloatArray]


def distance_score(law: ClassLaw) -> ScalarScore:
    """Mean distance to the neighbours, standardised within the predicted class.

    Conditioning on the class keeps a change of the class mix from looking like a change of the classes.
    """
    laws, overall, isfinite = law.laws, law.overall, math.isfinite

    def score(observation: Observation) -> float:
        prediction = observation.prediction
        if not isfinite(prediction.mean_distance):
            raise _refusal("prediction.mean_distance", prediction.mean_distance)
        mean, deviation = laws.get(prediction.label, overall)
        standard = (prediction.mean_distance - mean) / deviation
        return -CLIP if standard < -CLIP else CLIP if standard > CLIP else standard

    return score


def confidence_score(law: ClassLaw) -> ScalarScore:
    """Share of the vote for the winner, standardised within the predicted class."""
    laws, overall, isfinite = law.laws, law.overall, math.isfinite

    def score(observation: Observation) -> float:
        prediction = observation.prediction
        if not isfinite(prediction.confidence):
            raise _refusal("prediction.confidence", prediction.confidence)
        mean, deviation = laws.get(prediction.label, overall)
        standard = (prediction.confidence - mean) / deviation
        return -CLIP if standard < -CLIP else CLIP if standard > CLIP else standard

    return score


def residual_score(law: ResidualLaw, scalars: tuple[ScalarScore, ...]) -> VectorScore:
    """The residual of point and scalar scores given the predicted class, see `ResidualLaw`."""
    rows, unknown = dict(zip(law.classes, law.offsets, strict=True)), law.offsets.mean(axis=0)
    weights = law.weights
    point_count = weights.shape[1] - len(scalars)
    shape = (point_count,)
    inputs = np.empty(weights.shape[1])

    def score(observation: Observation) -> FloatArray:
        point = observation.point
        if point.shape != shape:
            raise InputError(f"point: expected shape {shape}, got {point.shape}")
        inputs[:point_count] = point
        for column, take in enumerate(scalars, start=point_count):
            inputs[column] = take(observation)
        residual: FloatArray = weights @ inputs
        residual += rows.get(observation.prediction.label, unknown)
        if not math.isfinite(residual.dot(residual)):
            raise InputError("point: every value must be finite, and its length below 1e150")
        np.minimum(residual, CLIP, out=residual)
        np.maximum(residual, -CLIP, out=residual)
        return residual

    return score


def mix_score(law: MixLaw) -> VectorScore:
    """The predicted class as a vector; its mean over a stream says how the class mix differs."""
    rows: dict[str, FloatArray] = dict(zip(law.classes, law.rows(), strict=True))
    unknown = law.unknown_row()

    def score(observation: Observation) -> FloatArray:
        return rows.get(observation.prediction.label, unknown)

    return score


def _refusal(name: str, value: float) -> InputError:
    return InputError(f"{name} is {value}, expected a finite number")

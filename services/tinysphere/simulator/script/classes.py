"""What simulated devices see: points around the centres of classes, some of which no model knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from tinysphere.simulator.script.chance import gaussian_chance

Vector = NDArray[np.float32]

DIMENSION_COUNT = 32
KNOWN = ("bolt", "nut", "washer", "screw", "rivet")
NOVEL = ("spring", "gear")
FEATURE_SPACE = sha256(b"simulated extractor 1").hexdigest()
NEIGHBOUR_COUNT = 5
_CENTRE_DISTANCE = 6.0  # of a centre from the origin, in standard deviations of a class


@cache
def centres() -> Mapping[str, Vector]:
    """The centre of every class, ``(DIMENSION_COUNT,) float32``; the same for every fleet."""
    return {label: _CENTRE_DISTANCE * _direction("class", label) for label in (*KNOWN, *NOVEL)}


@cache
def shift_direction() -> Vector:
    """Where a changed sensor moves every class to: a unit vector ``(DIMENSION_COUNT,) float32``."""
    return _direction("shift")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What a classifier by the nearest centre says.

    Attributes:
        distance_score: Distance to the nearest centre in standard deviations from what is usual.
        neighbours: Labels and distances, nearest first.
    """

    label: str
    confidence: float
    distance_score: float
    neighbours: tuple[tuple[str, float], ...]


def classify(point: Vector, known: Mapping[str, Vector]) -> Guess:
    """Names the nearest of the centres in ``known``."""
    distances = sorted((float(np.linalg.norm(point - centre)), label) for label, centre in known.items())
    nearest = distances[:NEIGHBOUR_COUNT]
    weights = [np.exp(nearest[0][0] - distance) for distance, _ in nearest]
    usual = float(
        np.sqrt(DIMENSION_COUNT - 0.5)
    )  # mean of a chi distribution; its deviation is close to sqrt(1/2)
    return Guess(
        label=nearest[0][1],
        confidence=float(weights[0] / sum(weights)),
        distance_score=(nearest[0][0] - usual) * float(np.sqrt(2)),
        neighbours=tuple((label, distance) for distance, label in nearest),
    )


def sample_points(
    *names: object, count: int, shift_sigma: float, novel_share: float
) -> list[tuple[str, Vector]]:
    """Points of a drifted stream and their true classes, drawn by what ``names`` name."""
    generator = gaussian_chance("points", *names)
    points = []
    for _ in range(count):
        pool = NOVEL if generator.random() < novel_share else KNOWN
        label = pool[int(generator.integers(len(pool)))]
        point = (
            centres()[label] + generator.standard_normal(DIMENSION_COUNT) + shift_sigma * shift_direction()
        )
        points.append((label, point.astype(np.float32)))
    return points


def true_label(point: Vector) -> str:
    """What a person who knows every class would say of a point."""
    return classify(point, centres()).label


def _direction(*names: object) -> Vector:
    vector = gaussian_chance("direction", *names).standard_normal(DIMENSION_COUNT)
    unit: Vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit

"""Randomness that can be repeated: one generator for each thing it decides, drawn from the seed and its name."""

import random
from datetime import datetime
from uuid import UUID

import numpy as np

Range = tuple[float, float]

_VERSION = 7
_VARIANT = 0b10
_MAX_UNIX_MS = 2**48 - 1


def chance(*names: object) -> random.Random:
    """A generator of its own for whatever ``names`` name; equal names draw equal numbers, in every process."""
    return random.Random("/".join(map(str, names)))


def gaussian_chance(*names: object) -> np.random.Generator:
    """As `chance`, for arrays."""
    return np.random.default_rng(chance(*names).getrandbits(128))


def draw(generator: random.Random, bounds: Range) -> float:
    """A number between two bounds, both possible."""
    return generator.uniform(*bounds)


def make_id(moment: datetime, *names: object) -> str:
    """The UUIDv7 (RFC 9562, section 5.7) that a device makes at a moment of its clock for what ``names`` name."""
    generator = chance("id", *names)
    unix_ms = min(max(int(moment.timestamp() * 1000), 0), _MAX_UNIX_MS)
    random_a, random_b = generator.getrandbits(12), generator.getrandbits(62)
    return str(UUID(int=unix_ms << 80 | _VERSION << 76 | random_a << 64 | _VARIANT << 62 | random_b))

"""What happens to a motion sensor: worn the wrong way round, ageing, knocked, half broken. NumPy only.

Every fault takes shares of full scale with the six channels of `demo.motions` last, ``(..., 6) float32``, samples of a
recording or windows of it, and clips at full scale, as the sensor would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Fault = Callable[[Samples, np.random.Generator], Samples]
"""Takes samples ``(..., 6)`` and a generator; returns new samples of the same shape."""

_ACCELERATIONS, _TURNS = slice(0, 3), slice(3, 6)


def upside_down(samples: Samples, rng: np.random.Generator) -> Samples:
    """The strap was closed the other way round: x and y of both sensors point backwards."""
    return samples * np.array([-1, -1, 1, -1, -1, 1], dtype=np.float32)


def swapped_axes(samples: Samples, rng: np.random.Generator) -> Samples:
    """The board was mounted a quarter turn off: x and y change places."""
    return np.ascontiguousarray(samples[..., [1, 0, 2, 4, 3, 5]])


def gain(samples: Samples, rng: np.random.Generator, *, factor: float) -> Samples:
    """The accelerometer reports ``factor`` times what it feels."""
    changed = samples.copy()
    changed[..., _ACCELERATIONS] *= np.float32(factor)
    return _clip(changed)


def bias(samples: Samples, rng: np.random.Generator, *, offset: float) -> Samples:
    """The accelerometer's third axis is off by ``offset`` of full scale."""
    changed = samples.copy()
    changed[..., 2] += np.float32(offset)
    return _clip(changed)


def noise(samples: Samples, rng: np.random.Generator, *, standard_deviation: float) -> Samples:
    """Every value is disturbed independently, in units of full scale."""
    disturbance = rng.normal(0.0, standard_deviation, samples.shape).astype(np.float32)
    return _clip(samples + disturbance)


def dead_gyroscope(samples: Samples, rng: np.random.Generator) -> Samples:
    """The turn rates read zero."""
    changed = samples.copy()
    changed[..., _TURNS] = 0
    return changed


SENSOR_FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "upside-down": upside_down,
        "swapped-axes": swapped_axes,
        "gain1": partial(gain, factor=1.2),
        "gain3": partial(gain, factor=1.6),
        "bias1": partial(bias, offset=0.05),
        "bias3": partial(bias, offset=0.15),
        "noise1": partial(noise, standard_deviation=0.03),
        "noise3": partial(noise, standard_deviation=0.1),
        "dead-gyroscope": dead_gyroscope,
    }
)


def _clip(samples: Samples) -> Samples:
    return np.clip(samples, np.float32(-1), np.float32(1))

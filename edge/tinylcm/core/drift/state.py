"""Reads stored monitor state with suspicion: a snapshot may be damaged or of another monitor."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tinylcm.errors import StateError
from tinylcm.ports import Json


def read_numbers(state: object, names: Iterable[str], owner: str) -> dict[str, float]:
    """Returns the named finite numbers of ``state``.

    Raises:
        StateError: ``state`` is not an object, lacks a name, or holds something else than a finite number there.

    >>> read_numbers({"upper": 1.5}, ["upper"], "cusum")
    {'upper': 1.5}
    """
    if not isinstance(state, dict):
        raise StateError(f"{owner}: expected an object, got {type(state).__name__}")
    numbers = {}
    for name in names:
        value = state.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise StateError(f"{owner}.{name}: expected a finite number, got {value!r}")
        numbers[name] = value
    return numbers


def read_part(state: object, name: str, owner: str) -> Json:
    """Returns the object stored under ``name``.

    Raises:
        StateError: There is none.
    """
    part = state.get(name) if isinstance(state, dict) else None
    if not isinstance(part, dict):
        raise StateError(f"{owner}.{name}: expected an object, got {type(part).__name__}")
    return part


def read_array(state: object, name: str, owner: str) -> NDArray[np.float64]:
    """Returns the finite numbers stored under ``name``, however nested, as float64.

    Raises:
        StateError: There are none, they are ragged, or one is not finite.
    """
    stored = state.get(name) if isinstance(state, dict) else None
    try:
        values = np.array(stored, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StateError(f"{owner}.{name}: expected numbers: {error}") from error
    if values.ndim == 0 or not np.isfinite(values).all():
        raise StateError(f"{owner}.{name}: expected finite numbers")
    return values


def read_vector(state: object, name: str, count: int, owner: str) -> NDArray[np.float64]:
    """Returns ``count`` finite numbers stored under ``name``; raises StateError when there are others."""
    values = read_array(state, name, owner)
    if values.shape != (count,):
        raise StateError(f"{owner}.{name}: expected {count} numbers, got shape {values.shape}")
    return values


def check_owner(state: object, name: str) -> None:
    """Raises StateError when ``state`` is not that of the monitor ``name``."""
    owner = state.get("name") if isinstance(state, dict) else None
    if owner != name:
        raise StateError(f"{name}: expected its own state, got that of {owner!r}")

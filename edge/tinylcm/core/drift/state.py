"""Reads stored monitor state with suspicion: a snapshot may be damaged or of another monitor."""

import math
from collections.abc import Iterable

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

"""Order statistics without NumPy's own, which load `numpy.ma`: 1.3 MiB that a device keeps for something better."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

ScalarT = TypeVar("ScalarT", bound=np.generic)


def quantile(values: NDArray[np.floating] | Sequence[float], share: float) -> float:
    """The value below which ``share`` of all values lie, between neighbours as `numpy.quantile` does it.

    >>> quantile([3.0, 1.0, 2.0], 0.25)
    1.5
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=None)
    place = share * (len(ordered) - 1)
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    part = place - below
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


def distinct(values: NDArray[ScalarT]) -> NDArray[ScalarT]:
    """All different values, ascending, as `numpy.unique` gives them.

    >>> distinct(np.array(["coat", "bag", "coat"])).tolist()
    ['bag', 'coat']
    """
    return np.array(sorted(set(values.tolist())), dtype=values.dtype)

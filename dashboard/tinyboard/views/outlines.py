"""Outlines of countries for the map, shipped with the package: no tile server is asked (see `tools/outlines.py`)."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

STEPS_PER_DEGREE = 100
_FILE = Path(__file__).resolve().parents[1] / "assets" / "outlines.npz"


@cache
def rings() -> tuple[NDArray[np.float64], ...]:
    """Every closed line, ``(n, 2) float64``: degrees east, degrees north."""
    with np.load(_FILE, allow_pickle=False) as stored:
        points, starts = stored["points"] / STEPS_PER_DEGREE, stored["starts"]
    return tuple(np.split(points, starts[1:-1]))


def within(
    east: tuple[float, float], north: tuple[float, float]
) -> tuple[list[float | None], list[float | None]]:
    """The lines that touch a window, as coordinates east and north with None between lines."""
    easts: list[float | None] = []
    norths: list[float | None] = []
    for ring in rings():
        low, high = ring.min(axis=0), ring.max(axis=0)
        if low[0] <= east[1] and high[0] >= east[0] and low[1] <= north[1] and high[1] >= north[0]:
            easts += [*ring[:, 0].tolist(), None]
            norths += [*ring[:, 1].tolist(), None]
    return easts, norths

"""Writes the outlines the Fleet map draws: `python -m tools.outlines ne_110m_admin_0_countries.shp`.

Source: Natural Earth, 1:110m Admin 0 countries, public domain (naturalearthdata.com). The committed file was made from
the copy in the PyPI package geopandas 0.14.4, `geopandas/datasets/naturalearth_lowres/naturalearth_lowres.shp`.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TARGET = Path(__file__).resolve().parents[1] / "dashboard" / "tinyboard" / "assets" / "outlines.npz"
STEPS_PER_DEGREE = 100
_FILE_HEADER_BYTES = 100
_RECORD_HEADER_BYTES = 8
_POLYGON = 5


def read_rings(content: bytes) -> Iterator[NDArray[np.float64]]:
    """Yields every ring of the polygons of a shapefile, ``(n, 2) float64``: degrees east, degrees north.

    Layout: ESRI Shapefile Technical Description (1998), "Polygon".
    """
    position = _FILE_HEADER_BYTES
    while position < len(content):
        (size_words,) = struct.unpack_from(">i", content, position + 4)
        record = content[position + _RECORD_HEADER_BYTES :][: 2 * size_words]
        position += _RECORD_HEADER_BYTES + 2 * size_words
        kind, part_count, point_count = struct.unpack_from("<i32x2i", record)
        if kind != _POLYGON:
            continue
        parts = np.frombuffer(record, "<i4", part_count, 44)
        points = np.frombuffer(record, "<f8", 2 * point_count, 44 + 4 * part_count).reshape(-1, 2)
        yield from np.split(points, parts[1:])


def main() -> None:
    """Rounds to hundredths of a degree and writes one flat array with the start of every ring."""
    rings = list(read_rings(Path(sys.argv[1]).read_bytes()))
    points = np.rint(np.concatenate(rings) * STEPS_PER_DEGREE).astype(np.int16)
    starts = np.cumsum([0, *(len(ring) for ring in rings)]).astype(np.int32)
    np.savez_compressed(TARGET, points=points, starts=starts)
    print(f"{len(rings)} rings, {len(points)} points, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()

"""Embeddings as `.npy` files that grow: one for each feature space, a row for each sample."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tinysphere.errors import DamagedDataError


class VectorFiles:
    """Files in one folder, named by their feature space; only the counts are held in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._dimensions: dict[str, int] = {}
        self._counts: dict[str, int] = {}

    def add(self, feature_space: str, vector: NDArray[np.float32]) -> int:
        """Append a vector, ``(d,) float32``; returns its row.

        Raises:
            DamagedDataError: EMBEDDING_CORRUPT, another dimension than the rows before it.
        """
        if feature_space not in self._dimensions:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._dimensions[feature_space], self._counts[feature_space] = len(vector), 0
            with self.path(feature_space).open("wb") as file:
                _write_header(file, 0, len(vector))
        if len(vector) != self._dimensions[feature_space]:
            raise DamagedDataError(
                "EMBEDDING_CORRUPT", f"feature space {feature_space} has embeddings of two dimensions"
            )
        with self.path(feature_space).open("ab") as file:
            file.write(vector.astype("<f4").tobytes())
        self._counts[feature_space] += 1
        return self._counts[feature_space] - 1

    def finish(self) -> dict[str, dict[str, int]]:
        """Write how many rows there are; returns dimensions and counts by feature space."""
        for feature_space, dimension in self._dimensions.items():
            with self.path(feature_space).open("r+b") as file:
                _write_header(file, self._counts[feature_space], dimension)
        return {
            feature_space: {"dimension_count": dimension, "sample_count": self._counts[feature_space]}
            for feature_space, dimension in sorted(self._dimensions.items())
        }

    def path(self, feature_space: str) -> Path:
        """Where the vectors of a feature space are."""
        return self._folder / f"{feature_space}.npy"


def _write_header(file: BinaryIO, row_count: int, dimension: int) -> None:
    # numpy leaves room for a longer count, so that the header of a file that grew is as long as before.
    header = {"descr": "<f4", "fortran_order": False, "shape": (row_count, dimension)}
    np.lib.format.write_array_header_1_0(file, header)

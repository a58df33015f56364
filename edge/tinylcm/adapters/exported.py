"""A training set that `tinysphere export --format folder` made: a manifest, pictures, and embeddings."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinylcm.errors import InputError
from tinylcm.records import FloatVector

MANIFEST = "manifest.jsonl"
MAX_LABEL_CHARACTERS = 64

Embed = Callable[[Path], FloatVector]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportedSample:
    """One sample that people judged; ``embedding`` is ``(d,) float32``, of the extractor asked for."""

    sample_id: str
    label: str
    embedding: FloatVector


class ExportedSamples:
    """Samples in the order of the manifest. Whoever wrote the folder is not trusted to stay in it."""

    def __init__(self, path: Path) -> None:
        """Opens the folder.

        Raises:
            InputError: It is no such folder.
        """
        self._path = path
        self._vectors: dict[str, NDArray[np.float32]] = {}
        if not (path / MANIFEST).is_file():
            raise InputError(f"{path.name} has no {MANIFEST}; expected what `tinysphere export` made")

    def read(self, feature_space: str, embed: Embed) -> Iterator[ExportedSample | None]:
        """Yields every sample as an extractor sees it; None for one that has neither its vector nor a picture.

        Args:
            feature_space: Of the extractor; what devices computed with it is taken as it is.
            embed: Sends the picture in a file through it.

        Raises:
            InputError: A line, a vector or a picture cannot be used; the message names the line.
        """
        with (self._path / MANIFEST).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield self._sample(json.loads(line), feature_space, embed)
                except (InputError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
                    raise InputError(f"{self._path.name}/{MANIFEST}, line {number}: {error}") from error

    def _sample(self, entry: dict[str, Any], feature_space: str, embed: Embed) -> ExportedSample | None:
        label = entry["label"]
        if not isinstance(label, str) or not 1 <= len(label) <= MAX_LABEL_CHARACTERS:
            raise InputError(f"label: expected 1 to {MAX_LABEL_CHARACTERS} characters, got {label!r:.80}")
        if entry["feature_space"] == feature_space:
            embedding = self._stored(feature_space, entry["embedding_row"])
        elif entry["picture"] is not None:
            embedding = embed(self._inside(entry["picture"]))
        else:
            return None
        return ExportedSample(sample_id=str(entry["sample_id"]), label=label, embedding=embedding)

    def _stored(self, feature_space: str, row: int) -> FloatVector:
        if feature_space not in self._vectors:
            path = self._path / "embeddings" / f"{feature_space}.npy"
            self._vectors[feature_space] = np.load(path, mmap_mode="r", allow_pickle=False)
        vectors = self._vectors[feature_space]
        if vectors.ndim != 2 or not 0 <= row < len(vectors):
            raise InputError(f"embedding_row: expected a row of {vectors.shape}, got {row}")
        return np.asarray(vectors[row], dtype=np.float32)

    def _inside(self, name: str) -> Path:
        place = (self._path / name).resolve()
        if not place.is_relative_to(self._path.resolve()):
            raise InputError(f"picture: {name!r:.80} lies outside the folder")
        return place

"""Labelled samples as embeddings: what a model is made from, and its monitors are calibrated on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinylcm.adapters.labelled_folder import LabelledFolder
from tinylcm.adapters.recording import open_recording
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.errors import InputError


class Labelled(Protocol):
    """A recording, or a folder of samples."""

    @property
    def path(self) -> Path:
        """Where it is."""

    def recordings(self) -> tuple[str, ...] | None:
        """Returns which recording every sample comes from, or None when that is not known."""

    def read(self, first_index: int) -> Iterator[NDArray[np.generic]]:
        """Yields the samples from ``first_index`` on."""


def read_labelled(path: Path, input_shape: tuple[int, ...]) -> tuple[Labelled, tuple[str, ...]]:
    """Opens a recording or a folder with one folder a class, and reads the label of every sample.

    Raises:
        InputError: It cannot be read, or has no labels.
    """
    if path.is_dir():
        folder = LabelledFolder(path, input_shape)
        return folder, folder.labels()
    recording = open_recording(path)
    labels = recording.labels()
    if not labels:
        raise InputError(f"{path.name} has no labels to learn from")
    return recording, labels


def embed(samples: Labelled, extractor: TfliteExtractor) -> NDArray[np.float32]:
    """Returns the embeddings of all samples, ``(n, d)``.

    Raises:
        InputError: A sample cannot be read, or does not fit the model; the message tells which.
    """
    embeddings = []
    for index, content in enumerate(samples.read(0)):
        try:
            embeddings.append(extractor.extract(content))
        except InputError as error:
            raise InputError(f"{samples.path.name}, number {index}: {error}") from error
    return np.stack(embeddings)

"""Labelled recordings as embeddings: what a model is made from, and its monitors are calibrated on."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinylcm.adapters.recording import Recording, open_recording
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.errors import InputError


def read_labelled(path: Path) -> tuple[Recording, tuple[str, ...]]:
    """Opens a recording, and reads the label of every frame.

    Raises:
        InputError: It cannot be read, or has no labels.
    """
    recording = open_recording(path)
    labels = recording.labels()
    if not labels:
        raise InputError(f"{path.name} has no labels to learn from")
    return recording, labels


def embed(recording: Recording, extractor: TfliteExtractor) -> NDArray[np.float32]:
    """Returns the embeddings of all frames, ``(n, d)``.

    Raises:
        InputError: The recording is damaged, or a frame does not fit the model; the message tells which.
    """
    embeddings = []
    for index, content in enumerate(recording.read(0)):
        try:
            embeddings.append(extractor.extract(content))
        except InputError as error:
            raise InputError(f"{recording.path.name}, number {index}: {error}") from error
    return np.stack(embeddings)

"""Makes the first bundle of a model from labelled samples and a TFLite extractor."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinylcm.adapters.bundle import Release, build_bundle
from tinylcm.adapters.keys import load_private_key
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.errors import InputError
from tinylcm.pipeline.learned import LearnedState, learn

ROOM_TO_LEARN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """What `tinylcm fit` was asked for; `capacity` None leaves room for 500 samples beside the given ones."""

    images: Path
    extractor: Path
    out: Path
    key: Path
    model_name: str
    release_counter: int
    component_count: int
    capacity: int | None
    budget_predictions: int
    platforms: tuple[str, ...]
    seed: int
    thread_count: int


def fit(options: FitOptions) -> tuple[str, dict[str, float]]:
    """Writes a signed bundle; returns its SHA-256 and the figures in its manifest.

    Raises:
        InputError: The labelled samples cannot be read, or do not fit the model.
        BundleError: The key or the model cannot be used.
    """
    key = load_private_key(options.key)
    images, labels = read_labelled(options.images)
    model = options.extractor.read_bytes()
    extractor = TfliteExtractor(model, thread_count=options.thread_count)
    embeddings = np.stack([extractor.extract(image) for image in images])
    learned = learn(
        embeddings,
        labels,
        component_count=min(options.component_count, *embeddings.shape),
        capacity=options.capacity or len(labels) + ROOM_TO_LEARN,
        budget_predictions=options.budget_predictions,
        rng=np.random.default_rng(options.seed),
        runtime=extractor.runtime,
    )
    metrics = _measure(learned, len(model))
    release = Release(
        model_name=options.model_name,
        release_counter=options.release_counter,
        class_names=learned.class_names,
        input_shape=extractor.input_shape,
        input_dtype=extractor.input_dtype,
        runtime=extractor.runtime,
        platforms=options.platforms,
        metrics=metrics,
    )
    meta, arrays = learned.parts()
    return build_bundle(options.out, release, extractor=model, meta=meta, arrays=arrays, key=key), metrics


def read_labelled(path: Path) -> tuple[NDArray[np.generic], list[str]]:
    """Reads images ``(n, ...)`` and their class names from a .npz with ``images`` and ``labels``.

    ``labels`` are names, or numbers into an array ``class_names``; ``(n, h, w)`` counts as one channel.

    Raises:
        InputError: The file is not like that.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            images, labels = stored["images"], stored["labels"]
            class_names = stored.get("class_names")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no .npz with images and labels: {error}") from error
    if len(images) != len(labels) or not len(images):
        raise InputError(f"{path}: {len(images)} images and {len(labels)} labels")
    if labels.dtype.kind in "iu":
        if class_names is None or labels.min() < 0 or labels.max() >= len(class_names):
            raise InputError(f"{path}: labels are numbers, but class_names does not name them all")
        labels = class_names[labels]
    return images[..., None] if images.ndim == 3 else images, [str(label) for label in labels]


def _measure(learned: LearnedState, extractor_bytes: int) -> dict[str, float]:
    true_labels, predicted, _ = learned.knn.leave_one_out()
    hits = sum(label == guess for label, guess in zip(true_labels, predicted, strict=True))
    return {
        "reference_accuracy": hits / len(true_labels),
        "reference_sample_count": float(len(true_labels)),
        "extractor_size_bytes": float(extractor_bytes),
        "dimension_count": float(learned.knn.points.shape[1]),
    }

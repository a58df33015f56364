"""Makes the first bundle of a model from labelled samples and a TFLite extractor."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinylcm.adapters.bundle import Release, build_bundle
from tinylcm.adapters.keys import load_private_key
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.daemon.training import gather
from tinylcm.pipeline.judged import Judged, judge_recordings, judge_stored
from tinylcm.pipeline.learned import REFERENCE_PREFIX, LearnedState, learn

ROOM_TO_LEARN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """What `tinylcm fit` was asked for.

    Attributes:
        images: Labelled samples; None when ``samples`` are all there is.
        samples: Folders of samples that people judged, as the server exports them.
        capacity: None leaves room for 500 samples beside the given ones.
    """

    images: Path | None
    samples: tuple[Path, ...] = ()
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
    model = options.extractor.read_bytes()
    extractor = TfliteExtractor(model, thread_count=options.thread_count)
    ground = gather(options.images, options.samples, extractor, hashlib.sha256(model).hexdigest())
    learned = learn(
        ground.embeddings,
        ground.labels,
        component_count=min(options.component_count, *ground.embeddings.shape),
        capacity=options.capacity or len(ground.labels) + ROOM_TO_LEARN,
        budget_predictions=options.budget_predictions,
        recordings=ground.recordings,
        rng=np.random.default_rng(options.seed),
        runtime=extractor.runtime,
    )
    metrics = {**_measure(learned, ground.recordings, len(model)), **ground.figures}
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


def _measure(
    learned: LearnedState, recordings: Sequence[str] | None, extractor_bytes: int
) -> dict[str, float]:
    judged = _judge_reference(learned.knn, recordings)
    hits = sum(
        label == prediction.label for label, prediction in zip(judged.labels, judged.predictions, strict=True)
    )
    return {
        "reference_accuracy": hits / len(judged.labels),
        "reference_sample_count": float(len(judged.labels)),
        "extractor_size_bytes": float(extractor_bytes),
        "dimension_count": float(judged.points.shape[1]),
    }


def _judge_reference(knn: LightweightKNN, recordings: Sequence[str] | None) -> Judged:
    """Every stored sample by the others; where recordings are known, by those of other recordings."""
    if recordings is None:
        return judge_stored(knn)
    recording_of = {f"{REFERENCE_PREFIX}{row}": recording for row, recording in enumerate(recordings)}
    own = [recording_of[sample_id] for sample_id in knn.sample_ids]
    return judge_recordings(knn, knn.points, knn.labels, own, recording_of)

"""Train the small extractor of sensor windows and export it as full-int8 TFLite.

``python -m tools.models.train_motion_cnn`` trains on four of the ten persons of ``data/motions`` and writes
``models/motion_cnn/``. Needs ``tools/models/requirements-cnn.txt``. The seed fixes weights and order; another CPU may
still round differently.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.motions import (
    CHANNELS,
    HOP_SAMPLES,
    SAMPLES_PER_SECOND,
    TRAINING_PERSONS,
    WINDOW_SAMPLES,
    Recording,
    load_motions,
)
from tools.models.card import MODEL_FILE, describe_model
from tools.models.embedding import Extractor, runtime_name
from tools.models.motion_evaluation import evaluate_motions
from tools.models.train_cnn import MODELS_FOLDER, THREADS, export_int8, fit, make_deterministic

EMBEDDING_DIMENSIONS = 32
FILTERS = (24, 32, 48)
KERNEL_SAMPLES = 5
REPRESENTATIVE_COUNT = 400
NOISE_DEVIATION = 0.02
DROPOUT = 0.3


def train(windows: NDArray[np.float32], labels: NDArray[np.uint8], *, epochs: int, seed: int) -> Any:
    """Train a classifier of ``windows (n, 50, 6)`` and return the Keras model up to its embedding layer."""
    import tensorflow as tf

    make_deterministic(tf, seed)
    classifier, extractor = _build(tf, class_count=int(labels.max()) + 1)
    fit(tf, classifier, windows, labels, epochs=epochs)
    return extractor


def _build(tf: Any, *, class_count: int) -> tuple[Any, Any]:
    layers = tf.keras.layers
    window = tf.keras.Input((WINDOW_SAMPLES, len(CHANNELS)))
    features = layers.GaussianNoise(NOISE_DEVIATION)(window)
    for filters in FILTERS:
        features = layers.Conv1D(filters, KERNEL_SAMPLES, padding="same", use_bias=False)(features)
        features = layers.MaxPool1D()(layers.ReLU()(layers.BatchNormalization()(features)))
    embedding = layers.Dense(EMBEDDING_DIMENSIONS)(layers.GlobalAveragePooling1D()(features))
    scores = layers.Dense(class_count)(layers.Dropout(DROPOUT)(embedding))
    return tf.keras.Model(window, scores), tf.keras.Model(window, embedding)


def training_windows(recordings: Sequence[Recording]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Windows ``(n, 50, 6) float32`` of the training persons and their class numbers ``(n,) uint8``."""
    chosen = [recording for recording in recordings if recording.person in TRAINING_PERSONS]
    names = sorted({recording.label for recording in chosen})
    windows = [recording.windows() for recording in chosen]
    labels = np.array([names.index(recording.label) for recording in chosen], dtype=np.uint8)
    return np.concatenate(windows), np.repeat(labels, [len(part) for part in windows])


def build(folder: Path, *, epochs: int, seed: int) -> None:
    """Train, export, measure and write model and card."""
    recordings = load_motions()
    windows, labels = training_windows(recordings)
    extractor = train(windows, labels, epochs=epochs, seed=seed)
    chosen = np.random.default_rng(seed).permutation(len(windows))[:REPRESENTATIVE_COUNT]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(export_int8(extractor, windows[chosen], input_type="int8"))

    as_float = evaluate_motions(lambda batch: np.asarray(extractor.predict(batch, verbose=0)), recordings)
    as_int8 = evaluate_motions(Extractor(folder / MODEL_FILE).embed_windows, recordings)
    card = describe_model(
        folder,
        license="Apache-2.0 (weights trained here on recordings of Burns et al., BSD 3-clause)",
        quantization=f"full int8, post-training, {REPRESENTATIVE_COUNT} representative windows",
        training={
            "data": f"data/motions, persons {', '.join(map(str, TRAINING_PERSONS))}",
            "window_count": len(windows),
            "window_samples": WINDOW_SAMPLES,
            "hop_samples": HOP_SAMPLES,
            "samples_per_second": SAMPLES_PER_SECOND,
            "epochs": epochs,
            "seed": seed,
        },
        evaluation=as_int8 | {"accuracy_float": as_float["accuracy"], "runtime": runtime_name()},
        tools=("tensorflow-cpu", "keras", "numpy", "ai-edge-litert"),
        input_range="shares of full scale, -1 to 1 before quantisation",
    )
    card.write(folder)
    print(folder.name, card.size_bytes, "bytes", card.sha256, card.evaluation)


def main() -> None:
    """Parse the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=MODELS_FOLDER / "motion_cnn")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    build(options.output, epochs=options.epochs, seed=options.seed)


if __name__ == "__main__":
    main()

"""Train the small extractor of the demonstration and export it as full-int8 TFLite.

``python -m tools.models.train_cnn --novel 1,8`` trains on the first 40,000 Fashion-MNIST training images, without the
novel classes, and writes ``models/fashion_cnn/``. Needs ``tools/models/requirements-cnn.txt`` and the Debian package
``dataset-fashion-mnist``. The seed fixes weights and order; another CPU may still round differently.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.dataset import CLASS_NAMES, LabelledImages, load_full
from tools.models.card import MODEL_FILE, describe_model
from tools.models.embedding import Extractor, runtime_name
from tools.models.evaluation import evaluate
from tools.models.fashion_mnist import NOVEL_CLASSES, TRAINING_COUNT, choose_subset

MODELS_FOLDER = Path(__file__).resolve().parents[2] / "models"
EMBEDDING_DIMENSIONS = 64
FILTERS = (16, 32, 48)
BATCH_SIZE = 128
PEAK_LEARNING_RATE = 2e-3
REPRESENTATIVE_COUNT = 400
THREADS = 2


def train(data: LabelledImages, *, epochs: int, seed: int) -> Any:
    """Train a classifier and return the Keras model up to its embedding layer.

    The embedding has no ReLU: every dimension stays alive, which distances need.
    """
    import tensorflow as tf

    make_deterministic(tf, seed)
    classifier, extractor = _build(tf)
    fit(tf, classifier, to_unit(data.images), data.labels, epochs=epochs)
    return extractor


def make_deterministic(tf: Any, seed: int) -> None:
    """Fix seed, order and threads, before anything is built."""
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(seed)


def fit(
    tf: Any, classifier: Any, inputs: NDArray[np.float32], labels: NDArray[np.uint8], *, epochs: int
) -> None:
    """Train a classifier that gives logits."""
    steps = epochs * -(-len(labels) // BATCH_SIZE)
    classifier.compile(
        optimizer=tf.keras.optimizers.Adam(
            tf.keras.optimizers.schedules.CosineDecay(PEAK_LEARNING_RATE, steps)
        ),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    classifier.fit(inputs, labels, batch_size=BATCH_SIZE, epochs=epochs, verbose=2)


def _build(tf: Any) -> tuple[Any, Any]:
    layers = tf.keras.layers
    pixels = tf.keras.Input((28, 28, 1))
    features = pixels
    for filters in FILTERS:
        features = layers.Conv2D(filters, 3, padding="same", use_bias=False)(features)
        features = layers.MaxPool2D()(layers.ReLU()(layers.BatchNormalization()(features)))
    embedding = layers.Dense(EMBEDDING_DIMENSIONS)(layers.Flatten()(features))
    scores = layers.Dense(len(CLASS_NAMES))(embedding)
    return tf.keras.Model(pixels, scores), tf.keras.Model(pixels, embedding)


def export_int8(extractor: Any, representative: NDArray[np.float32], *, input_type: str = "uint8") -> bytes:
    """Quantise weights and activations to int8: pixels in as uint8, embedding out as int8."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(extractor)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in representative)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.dtypes.as_dtype(input_type)
    converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def to_unit(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels ``(n, 28, 28) uint8`` as ``(n, 28, 28, 1) float32`` from 0 to 1."""
    return images[..., None].astype(np.float32) / np.float32(255.0)


def build(folder: Path, novel_classes: tuple[int, ...], *, epochs: int, seed: int) -> None:
    """Train, export, measure and write model and card."""
    full = load_full()
    images, labels = full.train.images[:TRAINING_COUNT], full.train.labels[:TRAINING_COUNT]
    known = ~np.isin(labels, novel_classes)
    data = LabelledImages(images[known], labels[known])
    extractor = train(data, epochs=epochs, seed=seed)
    chosen = np.random.default_rng(seed).permutation(len(data.labels))[:REPRESENTATIVE_COUNT]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(export_int8(extractor, to_unit(data.images[chosen])))

    subset = choose_subset(full, novel_classes)
    as_float = evaluate(
        lambda batch: np.asarray(extractor.predict(to_unit(batch), verbose=0)), subset, novel_classes
    )
    as_int8 = evaluate(Extractor(folder / MODEL_FILE).embed, subset, novel_classes)
    card = describe_model(
        folder,
        license="Apache-2.0 (weights trained here on Fashion-MNIST, MIT)",
        quantization=f"full int8, post-training, {REPRESENTATIVE_COUNT} representative images",
        training={
            "data": f"Fashion-MNIST train[0:{TRAINING_COUNT}], known classes only",
            "image_count": len(data.labels),
            "novel_classes": [CLASS_NAMES[label] for label in novel_classes],
            "novel_class_ids": list(novel_classes),
            "epochs": epochs,
            "seed": seed,
        },
        evaluation=as_int8 | {"accuracy_float": as_float["accuracy"], "runtime": runtime_name()},
        tools=("tensorflow-cpu", "keras", "numpy", "ai-edge-litert"),
    )
    card.write(folder)
    print(folder.name, card.size_bytes, "bytes", card.sha256, card.evaluation)


def _folder_name(novel_classes: tuple[int, ...]) -> str:
    if novel_classes == NOVEL_CLASSES:
        return "fashion_cnn"
    return "_".join(("fashion_cnn", *map(str, novel_classes)))


def main() -> None:
    """Parse the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--novel", default="1,8", help="class numbers left out of training, e.g. 3,5")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--models", type=Path, default=MODELS_FOLDER, help="folder that holds one folder per model"
    )
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    novel_classes = tuple(int(label) for label in options.novel.split(","))
    build(
        options.models / _folder_name(novel_classes), novel_classes, epochs=options.epochs, seed=options.seed
    )


if __name__ == "__main__":
    main()

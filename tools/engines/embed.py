"""Embeds committed inputs with the committed int8 models, on the engine of the environment it runs in.

EfficientNet-lite0, which is built and not committed, is embedded too where it is there (`make efficientnet`).

python -m tools.engines.embed embeddings.npz
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demo.motions import load_motions, unseen
from tinylcm.adapters.tflite import TfliteExtractor

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
PICTURE_MODELS = ("fashion_cnn", "fashion_cnn_3_5", "fashion_cnn_6_9")
FRAME_COUNT = 2000
LARGE_FRAME_COUNT = 200


def pictures() -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Pictures ``(n, 28, 28, 1)`` and their classes, in the order of the committed file."""
    with np.load(ROOT / "data" / "fashion_mnist" / "subset.npz", allow_pickle=False) as stored:
        images, names = stored["images"], stored["class_names"].astype(str)
        return images[:FRAME_COUNT, :, :, None], names[stored["labels"][:FRAME_COUNT]]


def windows() -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Windows ``(n, 50, 6)`` of persons whom the extractor has not seen, and their exercises, mixed."""
    parts = [(item.windows(), item.label) for item in unseen(load_motions())]
    contents = np.concatenate([part for part, _ in parts])
    labels = np.concatenate([np.full(len(part), label) for part, label in parts])
    drawn = np.random.default_rng(0).permutation(len(contents))[:FRAME_COUNT]
    return contents[drawn], labels[drawn]


def embed(name: str, contents: NDArray[np.generic]) -> tuple[NDArray[np.float32], float]:
    """Returns embeddings ``(n, d)``, and what one step of the model's int8 output stands for."""
    extractor = TfliteExtractor((MODELS / name / "model.tflite").read_bytes())
    embeddings = np.stack([extractor.extract(content) for content in contents])
    levels = np.unique(embeddings)
    return embeddings, float(np.diff(levels).min())


def main(out: Path) -> None:
    """Writes ``<model>.embeddings``, ``.step`` and ``.labels`` of every model, and the ``runtime``."""
    images, classes = pictures()
    large = images[:LARGE_FRAME_COUNT].repeat(4, axis=1).repeat(4, axis=2).repeat(3, axis=3)
    inputs = dict.fromkeys(PICTURE_MODELS, (images, classes))
    inputs["motion_cnn"] = windows()  # type: ignore[assignment]  # float32 windows, not pictures
    if (MODELS / "efficientnet_lite0").is_dir():
        inputs["efficientnet_lite0"] = (large, classes[:LARGE_FRAME_COUNT])
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, (contents, labels) in inputs.items():
        embeddings, step = embed(name, contents)
        arrays |= {f"{name}.embeddings": embeddings, f"{name}.step": np.array(step), f"{name}.labels": labels}
    runtime = TfliteExtractor((MODELS / "motion_cnn" / "model.tflite").read_bytes()).runtime
    np.savez(out, runtime=np.array(runtime), **arrays)  # type: ignore[arg-type]  # keywords are arrays


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The images that no extractor was trained on, clean and corrupted, and their embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.embeddings import embed
from demo.corruptions import CORRUPTIONS, brightness
from demo.dataset import CLASS_NAMES, LabelledImages, load_full, load_subset

MODELS = Path(__file__).resolve().parents[1] / "models"
TRAINING_COUNT = 40_000
RAMP_BRIGHTNESS = 0.5
RAMP_STEPS = 20
_CORRUPTION_SEED = 1_000

Embeddings = NDArray[np.float32]
Rows = NDArray[np.intp]


class FashionImages:
    """Undrifted images (``pool``), and test images that can be corrupted."""

    def __init__(self, pool: LabelledImages, test: LabelledImages) -> None:
        self.pool = pool
        self.test = test
        self._corrupted: dict[str, NDArray[np.uint8]] = {"": test.images}

    def corrupted(self, name: str) -> NDArray[np.uint8]:
        """Test images after the corruption of that name; the empty name leaves them clean."""
        if name not in self._corrupted:
            rng = np.random.default_rng(_CORRUPTION_SEED + list(CORRUPTIONS).index(name))
            self._corrupted[name] = CORRUPTIONS[name](self.test.images, rng)
        return self._corrupted[name]


def load_images(*, pool_count: int | None = None, test_count: int | None = None) -> FashionImages:
    """The full set without what extractors were trained on, or the committed subset where it is missing.

    The counts limit both parts, for a quick run.
    """
    try:
        full = load_full()
    except FileNotFoundError:
        subset = load_subset()
        pool = _joined(subset.split("reference"), subset.split("calibration"))
        return FashionImages(pool, _joined(subset.split("stream"), subset.split("holdout")))
    held = slice(TRAINING_COUNT, None if pool_count is None else TRAINING_COUNT + pool_count)
    return FashionImages(
        LabelledImages(full.train.images[held], full.train.labels[held]),
        LabelledImages(full.test.images[:test_count], full.test.labels[:test_count]),
    )


class FashionSource:
    """Images as one extractor sees them, embedded when first asked for."""

    def __init__(self, images: FashionImages, extractor: str, novel_pair: tuple[int, int]) -> None:
        self.images = images
        self.novel_pair = novel_pair
        self._model = MODELS / extractor / "model.tflite"

    def known(self, labels: NDArray[np.uint8]) -> Rows:
        """Rows of the classes that the extractor knows."""
        return np.flatnonzero(~np.isin(labels, self.novel_pair))

    def pool(self, rows: Rows) -> Embeddings:
        """Embeddings of undrifted images."""
        return embed(self._model, self.images.pool.images, "pool")[rows]

    def test(self, rows: Rows, corruption: str = "") -> Embeddings:
        """Embeddings of test images after a corruption."""
        return embed(self._model, self.images.corrupted(corruption), corruption or "test")[rows]

    def brightening(self, rows: Rows, rng: np.random.Generator) -> Embeddings:
        """Embeddings of test images in a light that grows, step by step, to `RAMP_BRIGHTNESS`."""
        steps = np.array_split(self.images.test.images[rows], RAMP_STEPS)
        offsets = RAMP_BRIGHTNESS * np.arange(1, RAMP_STEPS + 1) / RAMP_STEPS
        lit = [
            brightness(part, rng, offset=float(offset)) for part, offset in zip(steps, offsets, strict=True)
        ]
        return embed(self._model, np.concatenate(lit), "brightening")


def names_of(labels: NDArray[np.uint8]) -> NDArray[np.str_]:
    """Class names of class numbers ``(n,)``."""
    return np.array(CLASS_NAMES)[labels]


def available(extractor: str) -> bool:
    """Whether the extractor has been built."""
    return (MODELS / extractor / "model.tflite").is_file()


def _joined(first: LabelledImages, second: LabelledImages) -> LabelledImages:
    return LabelledImages(*(np.concatenate(parts) for parts in zip(first, second, strict=True)))

"""Embeddings of many images, computed once per model and kept on disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.models.embedding import Extractor, runtime_name

_BATCH_COUNT = 500
"""Images enlarged at a time: the pretrained extractor's pictures take 50 times the memory of ours."""


def cache_folder() -> Path:
    """Where embeddings are kept between runs; safe to delete."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "tinymlops" / "embeddings"


def embed(model: Path, images: NDArray[np.uint8], name: str) -> NDArray[np.float32]:
    """Embeds ``(n, 28, 28) uint8`` images as the device would; returns ``(n, d) float32``.

    The file's name carries the digests of model, runtime and images, so a changed one is never mistaken.
    """
    digest = hashlib.sha256(model.read_bytes() + runtime_name().encode())
    digest.update(np.ascontiguousarray(images).tobytes())
    path = cache_folder() / f"{model.parent.name}-{name}-{digest.hexdigest()[:16]}.npy"
    if path.is_file():
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.float32)
    print(f"embedding {len(images)} images: {model.parent.name}, {name}", flush=True)
    extractor = Extractor(model)
    starts = range(0, len(images), _BATCH_COUNT)
    values = np.concatenate([extractor.embed(images[start : start + _BATCH_COUNT]) for start in starts])
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial.npy")
    np.save(partial, values)
    partial.replace(path)
    return values

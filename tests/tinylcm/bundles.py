"""Real bundles that a device can run, made within a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.tinylcm.builders import KEY, labelled_images, tiny_model, tiny_release
from tinylcm.adapters.bundle import build_bundle
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.pipeline.learned import LearnedState, learn


def tiny_learned(model: bytes, *, seed: int = 0) -> LearnedState:
    """A state learned from 120 labelled pictures."""
    extractor = TfliteExtractor(model)
    images, labels = labelled_images(120, seed=seed)
    embeddings = np.stack([extractor.extract(image) for image in images])
    return learn(
        embeddings,
        labels,
        component_count=4,
        capacity=240,
        budget_predictions=2000,
        rng=np.random.default_rng(seed),
        runtime=extractor.runtime,
    )


def tiny_bundle(path: Path, *, seed: int = 0, key: Ed25519PrivateKey = KEY, **changes: object) -> str:
    """Writes a real bundle that a device can run; returns its SHA-256."""
    model = tiny_model(seed)
    meta, arrays = tiny_learned(model, seed=seed).parts()
    release = tiny_release(**changes)
    return build_bundle(path, release, extractor=model, meta=meta, arrays=arrays, key=key)

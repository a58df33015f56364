"""A device for the programs that try to break one: a tiny model, drifts without end, its configuration as a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.tinylcm.builders import INPUT_SHAPE, labelled_images
from tests.tinylcm.bundles import tiny_bundle
from tests.tinylcm.daemon.conftest import DeviceFolder

KIND_COUNT = 6
PHASE_FRAMES = 50


def drifting_stream(seed: int) -> tuple[NDArray[np.uint8], list[str]]:
    """Known pictures, then pictures of a new kind, for each of `KIND_COUNT` kinds; ``(n, 4, 4, 1) uint8``."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for kind in range(KIND_COUNT):
        known, names = labelled_images(PHASE_FRAMES, seed=seed + kind)
        bright = rng.permutation(np.arange(16) < 7).reshape(INPUT_SHAPE)
        novel = rng.integers(0, 40, (PHASE_FRAMES, *INPUT_SHAPE)) + 200 * bright
        images += [known, novel.astype(np.uint8)]
        labels += [*names, *[f"kind-{kind}"] * PHASE_FRAMES]
    return np.concatenate(images), labels


def make_home(folder: Path, *, counter: int = 1) -> DeviceFolder:
    """A device folder with its bundle beside it, not yet installed."""
    bundle = folder / f"tiny-{counter}.bundle"
    tiny_bundle(bundle, release_counter=counter)
    return DeviceFolder(folder, bundle)


def write_configuration(home: DeviceFolder) -> Path:
    """Writes the device's settings as `tinylcm run` reads them; returns the file."""
    path = home.folder / "tinylcm.toml"
    lines = []
    for table, values in home.tables.items():
        lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path

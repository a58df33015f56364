"""Write the committed Fashion-MNIST subset from the Debian package ``dataset-fashion-mnist``.

Run ``python -m tools.models.fashion_mnist``; the same input gives the same bytes. The extractor trains on the first
40,000 training images, so nothing in the subset was seen while training it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demo.dataset import CLASS_NAMES, DEBIAN_FOLDER, SUBSET_PATH, FullSet, LabelledImages, load_full

NOVEL_CLASSES = (1, 8)
TRAINING_COUNT = 40_000
SEED = 20_170_828
SIZE_LIMIT_BYTES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How many images of each known and each novel class a split takes, and from which of the publisher's files."""

    name: str
    source: str
    known_count: int
    novel_counts: Mapping[int, int]

    def count(self, label: int) -> int:
        return self.novel_counts.get(label, 0) if label in NOVEL_CLASSES else self.known_count


SPLITS = (
    Split(name="reference", source="train", known_count=125, novel_counts={}),
    Split(name="calibration", source="train", known_count=125, novel_counts={}),
    Split(name="stream", source="test", known_count=300, novel_counts={1: 100, 8: 400}),
    Split(name="holdout", source="test", known_count=100, novel_counts={1: 150, 8: 150}),
)


def choose(full: FullSet, rng: np.random.Generator) -> list[NDArray[np.int32]]:
    """Positions in the source file for every split, ``(n,) int32``, shuffled; no position is given out twice."""
    pools = {"train": _shuffled_pools(full.train, TRAINING_COUNT, rng), "test": _shuffled_pools(full.test, 0, rng)}
    chosen = []
    for split in SPLITS:
        taken = []
        for label, pool in pools[split.source].items():
            count = split.count(label)
            if count > len(pool):
                raise ValueError(f"{split.name}: class {label} has {len(pool)} images left, {count} wanted")
            taken.append(pool[:count])
            pools[split.source][label] = pool[count:]
        chosen.append(rng.permutation(np.concatenate(taken)).astype(np.int32))
    return chosen


def _shuffled_pools(
    source: LabelledImages, first: int, rng: np.random.Generator
) -> dict[int, NDArray[np.intp]]:
    return {
        label: rng.permutation(np.flatnonzero(source.labels[first:] == label) + first)
        for label in range(len(CLASS_NAMES))
    }


def write_subset(full: FullSet, path: Path) -> None:
    """Write the subset and, beside it, a JSON description with its digest."""
    chosen = choose(full, np.random.default_rng(SEED))
    parts = [
        LabelledImages(*(array[positions] for array in getattr(full, split.source)))
        for split, positions in zip(SPLITS, chosen, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        images=np.concatenate([part.images for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        split=np.repeat(np.arange(len(parts), dtype=np.uint8), [len(part.labels) for part in parts]),
        source_index=np.concatenate(chosen),
        split_names=np.array([split.name for split in SPLITS]),
        class_names=np.array(CLASS_NAMES),
    )
    path.with_suffix(".json").write_text(json.dumps(_describe(path, parts), indent=2) + "\n")


def _describe(path: Path, parts: list[LabelledImages]) -> dict[str, object]:
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size_bytes": path.stat().st_size,
        "seed": SEED,
        "classes": list(CLASS_NAMES),
        "novel_classes": [CLASS_NAMES[label] for label in NOVEL_CLASSES],
        "splits": {
            split.name: {
                "source": "train[40000:]" if split.source == "train" else "test",
                "count": len(part.labels),
                "count_by_class": _count_by_class(part.labels),
            }
            for split, part in zip(SPLITS, parts, strict=True)
        },
    }


def _count_by_class(labels: NDArray[np.uint8]) -> dict[str, int]:
    counts = np.bincount(labels, minlength=len(CLASS_NAMES))
    return {name: int(count) for name, count in zip(CLASS_NAMES, counts, strict=True) if count}


def main() -> None:
    """Write the subset and fail if it has grown past the limit for a committed file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", type=Path, default=DEBIAN_FOLDER, help="folder with the four IDX files")
    parser.add_argument("--output", type=Path, default=SUBSET_PATH)
    options = parser.parse_args()
    write_subset(load_full(options.source), options.output)
    size_bytes = options.output.stat().st_size
    if size_bytes > SIZE_LIMIT_BYTES:
        raise SystemExit(f"{options.output}: {size_bytes} bytes, at most {SIZE_LIMIT_BYTES} may be committed")
    print(f"{options.output}: {size_bytes} bytes")


if __name__ == "__main__":
    main()

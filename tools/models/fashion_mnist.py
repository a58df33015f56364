"""Write the committed Fashion-MNIST subset from the Debian package ``dataset-fashion-mnist``.

Run ``python -m tools.models.fashion_mnist``; the same input gives the same bytes. The extractor trains on the first
40,000 training images, so nothing in the subset was seen while training it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from demo.dataset import CLASS_NAMES, DEBIAN_FOLDER, SUBSET_PATH, FullSet, Subset, load_full

NOVEL_CLASSES = (1, 8)
TRAINING_COUNT = 40_000
SEED = 20_170_828
SIZE_LIMIT_BYTES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How many images of every known class, and of each novel class, a split takes from which of the two files."""

    name: str
    source: Literal["train", "test"]
    known_count: int
    novel_counts: tuple[int, ...] = (0, 0)


SPLITS = (
    Split(name="reference", source="train", known_count=125),
    Split(name="calibration", source="train", known_count=125),
    Split(name="stream", source="test", known_count=300, novel_counts=(100, 400)),
    Split(name="holdout", source="test", known_count=100, novel_counts=(150, 150)),
)


def choose_subset(full: FullSet, novel_classes: Sequence[int] = NOVEL_CLASSES) -> Subset:
    """Draw every split, shuffled; no image is drawn twice and none from the extractor's training range."""
    rng = np.random.default_rng(SEED)
    sources = {"train": full.train, "test": full.test}
    pools = {
        "train": _shuffled_positions(full.train.labels, TRAINING_COUNT, rng),
        "test": _shuffled_positions(full.test.labels, 0, rng),
    }
    chosen = [_draw(pools[split.source], split, novel_classes, rng) for split in SPLITS]
    parts = [(sources[split.source], positions) for split, positions in zip(SPLITS, chosen, strict=True)]
    return Subset(
        images=np.concatenate([source.images[positions] for source, positions in parts]),
        labels=np.concatenate([source.labels[positions] for source, positions in parts]),
        split_ids=np.repeat(np.arange(len(parts), dtype=np.uint8), [len(positions) for positions in chosen]),
        source_indices=np.concatenate(chosen),
        split_names=tuple(split.name for split in SPLITS),
        class_names=full.class_names,
    )


def _shuffled_positions(
    labels: NDArray[np.uint8], first: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    return [
        rng.permutation(np.flatnonzero(labels[first:] == label) + first) for label in range(len(CLASS_NAMES))
    ]


def _draw(
    pools: list[NDArray[np.int64]], split: Split, novel_classes: Sequence[int], rng: np.random.Generator
) -> NDArray[np.int32]:
    """Take a split's images out of the pools of its source, so that no later split can have them."""
    novel_counts = dict(zip(novel_classes, split.novel_counts, strict=True))
    taken = []
    for label, pool in enumerate(pools):
        count = novel_counts.get(label, split.known_count)
        if count > len(pool):
            raise ValueError(f"{split.name}: class {label} has {len(pool)} images left, {count} wanted")
        taken.append(pool[:count])
        pools[label] = pool[count:]
    return rng.permutation(np.concatenate(taken)).astype(np.int32)


def write_subset(subset: Subset, path: Path) -> None:
    """Write the subset and, beside it, a JSON description with its digest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        images=subset.images,
        labels=subset.labels,
        split=subset.split_ids,
        source_index=subset.source_indices,
        split_names=np.array(subset.split_names),
        class_names=np.array(subset.class_names),
    )
    path.with_suffix(".json").write_text(json.dumps(_describe(subset, path), indent=2) + "\n")


def _describe(subset: Subset, path: Path) -> dict[str, object]:
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size_bytes": path.stat().st_size,
        "seed": SEED,
        "classes": list(subset.class_names),
        "novel_classes": [subset.class_names[label] for label in NOVEL_CLASSES],
        "splits": {
            split.name: {
                "source": f"train[{TRAINING_COUNT}:]" if split.source == "train" else "test",
                "count": len(subset.split(split.name).labels),
                "count_by_class": _count_by_class(subset.split(split.name).labels),
            }
            for split in SPLITS
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
    write_subset(choose_subset(load_full(options.source)), options.output)
    size_bytes = options.output.stat().st_size
    if size_bytes > SIZE_LIMIT_BYTES:
        raise SystemExit(f"{options.output}: {size_bytes} bytes, at most {SIZE_LIMIT_BYTES} may be committed")
    print(f"{options.output}: {size_bytes} bytes")


if __name__ == "__main__":
    main()

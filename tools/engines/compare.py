"""Says how far the embeddings of two engines are apart, and what a model fitted on the one answers on the other.

    python -m tools.engines.compare one.npz other.npz

The last line is one JSON object. The first half of the samples makes the model, the second half is predicted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinylcm.pipeline.learned import LearnedState, learn

Stored = dict[str, NDArray[Any]]


def load(path: Path) -> Stored:
    """The arrays that `tools.engines.embed` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def answers(learned: LearnedState, embeddings: NDArray[np.float32]) -> tuple[list[str], NDArray[np.float64]]:
    """Labels and mean neighbour distances, ``(n,)``."""
    told = [learned.knn.predict(point) for point in learned.projection.apply_many(embeddings)]
    return [prediction.label for prediction in told], np.array([item.mean_distance for item in told])


def compare(name: str, one: Stored, other: Stored) -> dict[str, float]:
    """Differences of one model: in steps of its int8 output, and in what is made of it."""
    mine, theirs = one[f"{name}.embeddings"], other[f"{name}.embeddings"]
    steps = np.abs(mine - theirs) / one[f"{name}.step"]
    labels, half = one[f"{name}.labels"].tolist(), len(mine) // 2
    learned = learn(
        mine[:half], labels[:half], capacity=half, rng=np.random.default_rng(0), runtime=str(one["runtime"])
    )
    own_labels, own_distances = answers(learned, mine[half:])
    other_labels, other_distances = answers(learned, theirs[half:])
    return {
        "sample_count": len(mine),
        "max_difference_steps": round(float(steps.max()), 2),
        "mean_difference_steps": round(float(steps.mean()), 4),
        "equal_share": round(float((steps < 0.5).mean()), 4),
        "same_label_share": round(
            float(np.mean([a == b for a, b in zip(own_labels, other_labels, strict=True)])), 4
        ),
        "accuracy_own": round(
            float(np.mean([a == b for a, b in zip(own_labels, labels[half:], strict=True)])), 4
        ),
        "accuracy_other": round(
            float(np.mean([a == b for a, b in zip(other_labels, labels[half:], strict=True)])), 4
        ),
        "distance_shift_sigma": round(
            float((other_distances.mean() - own_distances.mean()) / own_distances.std()), 4
        ),
    }


def main(first: Path, second: Path) -> None:
    """Prints a table and a line of JSON."""
    one, other = load(first), load(second)
    names = sorted(key.removesuffix(".step") for key in one if key.endswith(".step"))
    found = {name: compare(name, one, other) for name in names}
    print(f"{one['runtime']} against {other['runtime']}")
    for name, figures in found.items():
        print(f"{name:20}", "  ".join(f"{key} {value:g}" for key, value in figures.items()))
    print(
        json.dumps(
            {"one": str(one["runtime"]), "other": str(other["runtime"]), "models": found}, sort_keys=True
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

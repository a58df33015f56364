"""What a device costs beside its model: time a frame, and memory. `python -m benchmarks.pipeline [--quick]`.

The whole pipeline is a frame's way through the running daemon's inference thread: out of the inbox, classified, watched
for drift, into the prediction log, checkpoints and all. Bare is `Interpreter.invoke` alone on the same frame, its
input already in place. Both take turns frame by frame; medians count. EfficientNet-lite0 is measured at its published
input of 224 x 224 pixels, where the device brings a camera's picture to that size too, and at 112 x 112.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.fashion_images import MODELS, FashionImages, available, load_images
from benchmarks.pipeline_device import MeasuredDevice, make_device
from benchmarks.pipeline_memory import measure_device, measure_libraries, serving
from benchmarks.pipeline_time import Rounds, measure_camera, measure_overhead, measure_stages

_SMALL = "small"
_MODELS = {
    _SMALL: "fashion_cnn",
    "efficientnet_224": "efficientnet_lite0_224",
    "efficientnet_112": "efficientnet_lite0",
}
_PARTS = ("time", "memory")

Figures = dict[str, float]
Spread = dict[str, list[float]]


class Measurements:
    """Figures and, of those that were measured in rounds, their lowest and highest."""

    def __init__(self) -> None:
        self.figures: Figures = {}
        self.spread: Spread = {}

    def add_rounds(self, prefix: str, rounds: Rounds) -> None:
        """Takes the median of the rounds, and their ends."""
        for name, values in rounds.items():
            self.figures[f"{prefix}.{name}"] = float(np.median(values))
            self.spread[f"{prefix}.{name}"] = [min(values), max(values)]

    def add_time(self, prefix: str, measured: MeasuredDevice, *, quick: bool) -> None:
        """Measures the whole pipeline beside the bare model; of the small one, which is all overhead, each stage."""
        _say(f"whole pipeline and bare invoke, taking turns: {prefix}")
        if prefix == _SMALL:
            self.add_rounds(prefix, measure_stages(measured, 500 if quick else 3000))
            self.add_rounds(prefix, measure_overhead(measured, 200 if quick else 600))
        else:
            self.add_rounds(prefix, measure_overhead(measured, 20 if quick else 100))
            self.add_rounds(prefix, measure_camera(measured.extractor.input_shape, 20 if quick else 100))

    def add_memory(self, prefix: str, folder: Path, measured: MeasuredDevice, inference_count: int) -> None:
        """Runs the device alone, then with a server that takes what it sends."""
        model = MODELS / _MODELS[prefix] / "model.tflite"
        for case, served in (("alone", False), ("served", True)):
            _say(f"memory: {prefix}, {case}")
            libraries_mib = measure_libraries(model, served=served)
            with serving(measured, folder / case, served=served) as configuration:
                memory = measure_device(configuration, inference_count)
            self.figures |= {
                f"{prefix}.{case}.rss_mib": memory.rss_mib,
                f"{prefix}.{case}.rss_ratio": memory.rss_mib / libraries_mib,
                f"{prefix}.{case}.rss_peak_mib": memory.peak_mib,
                f"{prefix}.{case}.rss_growth_mib": memory.growth_mib,
                f"{prefix}.{case}.libraries_mib": libraries_mib,
            }


def run(
    *, quick: bool, models: Sequence[str], parts: Sequence[str], inference_count: int | None
) -> Measurements:
    """Measures what is asked for of every model that is built."""
    images = load_images(pool_count=2000, test_count=3000)
    found = Measurements()
    with tempfile.TemporaryDirectory() as folder:
        for prefix in models:
            if not available(_MODELS[prefix]):
                _say(f"models/{_MODELS[prefix]} is missing (make efficientnet): nothing is measured with it")
                continue
            count = inference_count or _inference_count(prefix, quick=quick)
            device = _made(Path(folder) / prefix, images, _MODELS[prefix], count)
            if "time" in parts:
                found.add_time(prefix, device, quick=quick)
            if "memory" in parts:
                found.add_memory(prefix, Path(folder) / prefix, device, count)
    return found


def _inference_count(prefix: str, *, quick: bool) -> int:
    if prefix == _SMALL:
        return 2000 if quick else 11_000
    return 100 if quick else 1000


def _made(folder: Path, images: FashionImages, name: str, frame_count: int) -> MeasuredDevice:
    _say(f"making a device with {name}")
    folder.mkdir()
    return make_device(folder, images, name, frame_count)


def _say(what: str) -> None:
    print(what, flush=True)


def main() -> None:
    """Parses the arguments, measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer frames, within two minutes")
    parser.add_argument("--only", nargs="+", choices=_MODELS, default=list(_MODELS), help="models")
    parser.add_argument("--part", choices=_PARTS, help="time or memory alone")
    parser.add_argument("--inferences", type=int, help="of the runs whose memory is measured")
    options = parser.parse_args()
    found = run(
        quick=options.quick,
        models=options.only,
        parts=(options.part,) if options.part else _PARTS,
        inference_count=options.inferences,
    )
    print(
        json.dumps(
            {
                "name": "benchmarks.pipeline",
                "quick": options.quick,
                "figures": found.figures,
                "spread": found.spread,
            }
        )
    )


if __name__ == "__main__":
    main()

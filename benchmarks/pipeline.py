"""What a device costs beside its model: time a frame, and memory. `python -m benchmarks.pipeline [--quick]`.

The whole pipeline is a frame's way through the running daemon's inference thread: out of the inbox, classified, watched
for drift, into the prediction log, checkpoints and all. Bare is `Interpreter.invoke` alone on the same frame, its
input already in place. Both take turns frame by frame; medians count.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.fashion_images import MODELS, FashionImages, available, load_images
from benchmarks.pipeline_device import MeasuredDevice, make_device
from benchmarks.pipeline_memory import measure_device, measure_libraries
from tinylcm.adapters.tflite import find_engine
from tinylcm.core.drift.calibration import build_monitor
from tinylcm.daemon.build import Device, build_device
from tinylcm.records import Frame

_SMALL, _LARGE = "fashion_cnn", "efficientnet_lite0"
_ROUNDS = 5
_WARM_UP = 50

ResultT = TypeVar("ResultT")
Figures = dict[str, float]
Spread = dict[str, list[float]]


def run(*, quick: bool) -> tuple[Figures, Spread]:
    """Measures everything, in figures and their lowest and highest rounds."""
    images = load_images(pool_count=2000, test_count=3000)
    figures: Figures = {}
    spread: Spread = {}
    with tempfile.TemporaryDirectory() as folder:
        small = _made(Path(folder) / "small", images, _SMALL, 2000 if quick else 10_000)
        _add_stages(small, 500 if quick else 3000, figures, spread)
        name = _LARGE if available(_LARGE) else _SMALL
        if name == _LARGE:
            large = _made(Path(folder) / "large", images, _LARGE, 100 if quick else 1000)
        else:
            large = small
            print(
                f"models/{_LARGE} is missing (make efficientnet): the overhead is that on {_SMALL}",
                flush=True,
            )
        _add_overhead(large, 20 if quick else 80, figures, spread)
        _add_memory(Path(folder) / "small", small, _SMALL, "", figures)
        if large is not small:  # after the rest: its recording leaves the device in a drift
            _add_memory(Path(folder) / "large", large, _LARGE, "efficientnet_", figures)
    return figures, spread


def _made(folder: Path, images: FashionImages, name: str, frame_count: int) -> MeasuredDevice:
    print(f"making a device with {name}", flush=True)
    folder.mkdir()
    return make_device(folder, images, name, frame_count)


def _add_overhead(measured: MeasuredDevice, count: int, figures: Figures, spread: Spread) -> None:
    print("whole pipeline and bare invoke, taking turns", flush=True)
    device = _opened(measured)
    interpreter = find_engine()[0](model_content=measured.model, num_threads=1)
    interpreter.allocate_tensors()
    place, dtype = (interpreter.get_input_details()[0][key] for key in ("index", "dtype"))
    shares, bare_us = [], []
    index = device.first_index
    for _ in range(_ROUNDS):
        bare, whole = [], []
        for number in range(count + _WARM_UP):
            content = measured.frames[index % len(measured.frames)]
            frame = Frame(source_index=index, capture_time=device.clock.now(), content=content)
            interpreter.set_tensor(place, (content.astype(np.int16) - 128).astype(dtype)[None])
            turns = [(bare, interpreter.invoke), (whole, lambda frame=frame: _step(device, frame))]
            for times, work in turns if number % 2 else reversed(turns):
                times.append(_seconds(work))
            index += 1
        medians = [float(np.median(times[_WARM_UP:])) for times in (bare, whole)]
        shares.append(medians[1] / medians[0] - 1)
        bare_us.append(medians[0] * 1e6)
    _close(device)
    figures |= {"overhead_share": float(np.median(shares)), "bare_invoke_us": float(np.median(bare_us))}
    spread["overhead_share"] = [min(shares), max(shares)]


def _add_stages(measured: MeasuredDevice, count: int, figures: Figures, spread: Spread) -> None:
    print("stage by stage", flush=True)
    device = _opened(measured)
    engine = device.models.engine
    assert engine is not None
    pipeline, learned = engine.pipeline, measured.learned
    monitor = build_monitor(learned.calibration)
    rounds: defaultdict[str, list[float]] = defaultdict(list)
    index = device.first_index
    for _ in range(_ROUNDS):
        times: defaultdict[str, list[float]] = defaultdict(list)
        for _ in range(count // _ROUNDS + _WARM_UP):
            content = measured.frames[index % len(measured.frames)]
            frame = Frame(source_index=index, capture_time=device.clock.now(), content=content)
            embedding = _timed(times["extract"], lambda content=content: measured.extractor.extract(content))
            point = _timed(times["transform"], lambda it=embedding: learned.projection.apply(it))
            _timed(times["knn"], lambda point=point: learned.knn.predict(point))
            outcome = _timed(times["process"], lambda frame=frame: pipeline.process(frame))
            _timed(times["monitor"], lambda seen=outcome.observation: monitor.update(seen))
            _timed(times["step"], lambda frame=frame: _step(device, frame))
            index += 1
        medians = {name: float(np.median(values[_WARM_UP:])) * 1e6 for name, values in times.items()}
        stages = ("extract", "transform", "knn", "monitor")
        medians["rest"] = medians["step"] - sum(medians[stage] for stage in stages)
        for name in (*stages, "rest", "step"):
            rounds[f"{'whole' if name == 'step' else name}_us"].append(medians[name])
    _close(device)
    figures |= {name: float(np.median(values)) for name, values in rounds.items()}
    spread |= {name: [min(values), max(values)] for name, values in rounds.items()}


def _add_memory(folder: Path, measured: MeasuredDevice, name: str, prefix: str, figures: Figures) -> None:
    print(f"memory with {name}", flush=True)
    libraries_mib = measure_libraries(MODELS / name / "model.tflite")
    memory = measure_device(measured.configuration, folder / "state" / "predictions.jsonl")
    figures |= {
        f"{prefix}rss_mib": memory.rss_mib,
        f"{prefix}rss_ratio": memory.rss_mib / libraries_mib,
        f"{prefix}rss_peak_mib": memory.peak_mib,
        f"{prefix}rss_growth_mib": memory.growth_mib,
        f"{prefix}libraries_mib": libraries_mib,
    }


def _opened(measured: MeasuredDevice) -> Device:
    return build_device(measured.settings, stopping=threading.Event(), wake=threading.Event())


def _close(device: Device) -> None:
    device.inbox.close()
    device.inference.run()
    device.disk.shutdown()
    device.outbox.close()


def _step(device: Device, frame: Frame) -> None:
    device.inbox.put_frame(frame)
    device.inference.step()


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _timed(times: list[float], work: Callable[[], ResultT]) -> ResultT:
    started = time.perf_counter()
    result = work()
    times.append(time.perf_counter() - started)
    return result


def main() -> None:
    """Parses the arguments, measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer frames, within a minute")
    options = parser.parse_args()
    figures, spread = run(quick=options.quick)
    print(
        json.dumps(
            {"name": "benchmarks.pipeline", "quick": options.quick, "figures": figures, "spread": spread}
        )
    )


if __name__ == "__main__":
    main()

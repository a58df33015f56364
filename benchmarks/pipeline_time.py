"""Time a frame: of the whole pipeline beside the bare model, of its stages, and of a camera's picture before it.

The overhead is measured twice: by the clock on the wall, and by the processor time of the inference thread, which other
work on the machine disturbs less.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from benchmarks.pipeline_device import MeasuredDevice
from tinylcm.adapters.sources.picture import Fit, find_opencv, fit_picture
from tinylcm.adapters.tflite import find_engine
from tinylcm.core.drift.calibration import build_monitor
from tinylcm.daemon.build import Device, build_device
from tinylcm.errors import InputError
from tinylcm.records import Frame

_ROUNDS = 5
_WARM_UP = 50
_CAMERA_SHAPE = (480, 640, 3)

ResultT = TypeVar("ResultT")
Rounds = dict[str, list[float]]
"""Figures by name, one value for each round."""


class _Times:
    """Seconds on the wall and of this thread's processor time."""

    def __init__(self) -> None:
        self._seconds: list[tuple[float, float]] = []

    def take(self, work: Callable[[], object]) -> None:
        """Does it once more."""
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        work()
        self._seconds.append((time.perf_counter() - wall_s, time.thread_time() - cpu_s))

    def medians(self) -> tuple[float, float]:
        """Of both, without the warm-up."""
        wall_s, cpu_s = np.median(self._seconds[_WARM_UP:], axis=0)
        return float(wall_s), float(cpu_s)


def measure_overhead(measured: MeasuredDevice, count: int) -> Rounds:
    """Whole pipeline and bare invoke on the same frames, taking turns."""
    device = _opened(measured)
    interpreter = find_engine()[0](model_content=measured.model, num_threads=1)
    interpreter.allocate_tensors()
    place, dtype = (interpreter.get_input_details()[0][key] for key in ("index", "dtype"))
    rounds: defaultdict[str, list[float]] = defaultdict(list)
    index = device.first_index
    for _ in range(_ROUNDS):
        bare, whole = _Times(), _Times()
        for number in range(count + _WARM_UP):
            content = measured.frames[index % len(measured.frames)]
            frame = Frame(source_index=index, capture_time=device.clock.now(), content=content)
            interpreter.set_tensor(place, (content.astype(np.int16) - 128).astype(dtype)[None])
            turns = [(bare, interpreter.invoke), (whole, lambda frame=frame: _step(device, frame))]
            for times, work in turns if number % 2 else reversed(turns):
                times.take(work)
            index += 1
        for clock, bare_s, whole_s in zip(("", "cpu_"), bare.medians(), whole.medians(), strict=True):
            rounds[f"bare_invoke_{clock}us"].append(bare_s * 1e6)
            rounds[f"own_{clock}us"].append((whole_s - bare_s) * 1e6)
            rounds[f"overhead_{clock}share"].append(whole_s / bare_s - 1)
    _close(device)
    return dict(rounds)


def measure_stages(measured: MeasuredDevice, count: int) -> Rounds:
    """Microseconds of each stage, of all others together, and of the whole."""
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
    return dict(rounds)


def measure_camera(shape: tuple[int, ...], count: int) -> Rounds:
    """A camera's picture cropped and resized for the model, as the source thread does it; nothing without OpenCV."""
    try:
        cv2 = find_opencv()
    except InputError:
        return {}
    cv2.setNumThreads(1)
    picture = np.random.default_rng(0).integers(0, 256, _CAMERA_SHAPE, dtype=np.uint8)
    rounds = []
    for _ in range(_ROUNDS):
        times: list[float] = []
        for _ in range(count):
            _timed(times, lambda: fit_picture(cv2, picture, shape, Fit.CROP))
        rounds.append(float(np.median(times)) * 1e6)
    return {"camera_us": rounds}


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


def _timed(times: list[float], work: Callable[[], ResultT]) -> ResultT:
    started = time.perf_counter()
    result = work()
    times.append(time.perf_counter() - started)
    return result

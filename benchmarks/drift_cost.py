"""What a monitor costs: microseconds per update and bytes of state."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

import numpy as np

from benchmarks.worlds import MOMENT
from tinylcm.core.drift.calibration import Calibration, build_monitor, calibrate, monitor_names
from tinylcm.records import Observation, Prediction

POINT_COUNT = 64
CLASS_COUNT = 8
SAMPLE_COUNT = 1_000
UPDATE_COUNT = 5_000
STATE_COUNT = 500
ROUND_COUNT = 7


def cost_figures() -> dict[str, float]:
    """Figures of every monitor, keyed ``<monitor>_update_us`` and ``<monitor>_state_bytes``."""
    rng = np.random.default_rng(0)
    calibration, observations = _made_up(rng)
    figures = {}
    for name in monitor_names(calibration):
        key = name.replace(".", "_")
        figures[f"{key}_update_us"] = round(_best_update_us(calibration, name, observations), 2)
        figures[f"{key}_state_bytes"] = float(_largest_state_bytes(calibration, name, observations))
    return figures


def _largest_state_bytes(calibration: Calibration, name: str, observations: list[Observation]) -> int:
    """The longest JSON text of the state, without drift and in one: zeros are short, and a drift fills them."""
    monitor = build_monitor(calibration, name)
    largest = 0
    for index, observation in enumerate(observations[: 2 * STATE_COUNT]):
        drifted = index >= STATE_COUNT
        monitor.update(_moved(observation) if drifted else observation)
        if index % 10 == 0:
            largest = max(largest, len(json.dumps(monitor.state())))
    return largest


def _moved(observation: Observation) -> Observation:
    return replace(observation, point=observation.point + np.float32(1.0))


def _best_update_us(calibration: Calibration, name: str, observations: list[Observation]) -> float:
    """The fastest of several rounds: other work on the machine only ever slows one down."""
    rounds = []
    for _ in range(ROUND_COUNT):
        monitor = build_monitor(calibration, name)
        update = monitor.update
        start = time.process_time()
        for observation in observations:
            update(observation)
        rounds.append(time.process_time() - start)
    return 1e6 * min(rounds) / len(observations)


def _made_up(rng: np.random.Generator) -> tuple[Calibration, list[Observation]]:
    """A calibration and undrifted observations of the usual size; cost does not depend on their values."""
    labels = np.array([sys.intern(f"class {index}") for index in range(CLASS_COUNT)])
    chosen = rng.choice(labels, SAMPLE_COUNT)
    points = rng.normal(size=(SAMPLE_COUNT, POINT_COUNT)).astype(np.float32)
    distances, confidences = rng.normal(3.0, 0.5, SAMPLE_COUNT), rng.uniform(0.5, 1.0, SAMPLE_COUNT)
    calibration = calibrate(points, chosen, chosen, distances, confidences=confidences, rng=rng)
    observations = [
        Observation(
            source_index=index,
            capture_time=MOMENT,
            embedding=points[0],
            point=rng.normal(size=POINT_COUNT).astype(np.float32),
            prediction=Prediction(
                label=str(rng.choice(labels)),
                confidence=float(rng.uniform(0.5, 1.0)),
                neighbours=(),
                mean_distance=float(rng.normal(3.0, 0.5)),
            ),
        )
        for index in range(UPDATE_COUNT)
    ]
    return calibration, observations

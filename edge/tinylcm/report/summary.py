"""A replay in a few numbers, as one JSON object."""

import numpy as np
from numpy.typing import NDArray

from tinylcm.ports import Json
from tinylcm.report.track import Drift, Track

_REFUSALS_NAMED = 5


def summarise(track: Track) -> Json:
    """Counts, drifts and, where the truth is known, accuracies 0 to 1 (None where it is not)."""
    drifting = track.drifting
    correct = track.correct
    return {
        "frame_count": len(track),
        "refused_count": len(track.refusals),
        "refusals": [f"frame {index}: {reason}" for index, reason in track.refusals[:_REFUSALS_NAMED]],
        "mean_distance": _mean(track.distances),
        "drifts": [_describe(drift) for drift in track.drifts],
        "drifting_share": float(drifting.mean()) if len(track) else 0.0,
        "truth_count": int(np.isfinite(correct).sum()),
        "accuracy": _mean(correct),
        "accuracy_quiet": _mean(correct[~drifting]),
        "accuracy_drifting": _mean(correct[drifting]),
    }


def _describe(drift: Drift) -> Json:
    alarm = drift.alarm
    return {
        "detector": alarm.detector,
        "type": alarm.type.value,
        "severity": alarm.severity.value,
        "cause": alarm.cause.value if alarm.cause else None,
        "description": alarm.description,
        "shift_sigma": alarm.shift_sigma,
        "statistic": alarm.statistic,
        "threshold": alarm.threshold,
        "start_index": alarm.start_index,
        "detect_index": alarm.detect_index,
        "recovery_index": drift.recovery_index,
    }


def _mean(values: NDArray[np.float32]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else None

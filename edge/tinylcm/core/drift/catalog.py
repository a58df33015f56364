"""All monitors by name, built from a calibration."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tinylcm.core.drift.channels import ScalarChannel, VectorChannel
from tinylcm.core.drift.combination import Combination
from tinylcm.core.drift.crosier import CrosierCusum
from tinylcm.core.drift.cusum import TwoSidedCusum
from tinylcm.core.drift.episode import EpisodeSettings
from tinylcm.core.drift.harm import HarmWatch
from tinylcm.core.drift.limits import Calibration
from tinylcm.core.drift.monitor import Monitor
from tinylcm.core.drift.monitors import ChannelMonitor
from tinylcm.core.drift.page_hinkley import PageHinkley
from tinylcm.core.drift.prior_shift import PriorShiftWatch
from tinylcm.core.drift.scores import (
    ScalarScore,
    VectorScore,
    confidence_score,
    distance_score,
    mix_score,
    residual_score,
)
from tinylcm.errors import InputError
from tinylcm.records import DriftCause, DriftType

DEFAULT = "default"


def build_monitor(calibration: Calibration, name: str = DEFAULT) -> Monitor:
    """Returns a fresh monitor of that name; `monitor_names` tells which there are.

    Raises:
        InputError: The calibration has no monitor of that name.
    """
    if name not in monitor_names(calibration):
        known = ", ".join(monitor_names(calibration))
        raise InputError(f"monitor {name!r} is unknown; expected one of {known}")
    return _MAKERS[name](calibration, name)


def monitor_names(calibration: Calibration) -> tuple[str, ...]:
    """Names of the monitors that a calibration can build, "default" first."""
    return (DEFAULT, *(name for name in _MAKERS if name in calibration.limits))


def _combination(calibration: Calibration, name: str) -> Monitor:
    settings = EpisodeSettings()
    residual = _residual_channel(calibration, f"{name}.feature_residual")
    distance = _distance_channel(calibration, f"{name}.knn_distance")
    mix = _mix_channel(calibration, f"{name}.class_distribution")
    return Combination(
        HarmWatch(name, residual, distance, calibration, settings),
        PriorShiftWatch(mix, calibration.mix.classes, settings),
        calibration,
        (residual.score, distance.score, mix.score),
    )


def _page_hinkley(calibration: Calibration, name: str) -> Monitor:
    limits = calibration.limits[name]
    test = PageHinkley(delta=limits.slack, threshold=limits.threshold)
    score = distance_score(calibration.distance)
    return ChannelMonitor(ScalarChannel(name, DriftType.KNN_DISTANCE, score, test))


def _confidence(calibration: Calibration, name: str) -> Monitor:
    test = _cusum(calibration, name)
    return ChannelMonitor(ScalarChannel(name, DriftType.CONFIDENCE, _scalar_scores(calibration)[1], test))


def _distance_channel(calibration: Calibration, name: str) -> ScalarChannel:
    score = distance_score(calibration.distance)
    return ScalarChannel(name, DriftType.KNN_DISTANCE, score, _cusum(calibration, name))


def _residual_channel(calibration: Calibration, name: str) -> VectorChannel:
    score = residual_score(calibration.residual, _scalar_scores(calibration))
    return _vector_channel(
        calibration, name, DriftType.FEATURE_RESIDUAL, score, calibration.residual.dimension_count
    )


def _mix_channel(calibration: Calibration, name: str) -> VectorChannel:
    score = mix_score(calibration.mix)
    return _vector_channel(
        calibration, name, DriftType.CLASS_DISTRIBUTION, score, len(calibration.mix.classes)
    )


def _vector_channel(
    calibration: Calibration, name: str, drift_type: DriftType, score: VectorScore, dimension_count: int
) -> VectorChannel:
    limits = calibration.limits[name]
    test = CrosierCusum(dimension_count=dimension_count, slack=limits.slack, threshold=limits.threshold)
    return VectorChannel(name, drift_type, score, test, limits.rest_level)


def _cusum(calibration: Calibration, name: str) -> TwoSidedCusum:
    limits = calibration.limits[name]
    return TwoSidedCusum(slack=limits.slack, threshold=limits.threshold)


def _scalar_scores(calibration: Calibration) -> tuple[ScalarScore, ...]:
    distance = distance_score(calibration.distance)
    if calibration.confidence is None:
        return (distance,)
    return (distance, confidence_score(calibration.confidence))


_MAKERS: Mapping[str, Callable[[Calibration, str], Monitor]] = MappingProxyType(
    {
        DEFAULT: _combination,
        "knn_distance.cusum": lambda calibration, name: ChannelMonitor(_distance_channel(calibration, name)),
        "knn_distance.page_hinkley": _page_hinkley,
        "confidence.cusum": _confidence,
        "feature_residual.crosier": lambda calibration, name: ChannelMonitor(
            _residual_channel(calibration, name)
        ),
        "class_distribution.crosier": lambda calibration, name: ChannelMonitor(
            _mix_channel(calibration, name), cause=DriftCause.PRIOR_SHIFT
        ),
    }
)

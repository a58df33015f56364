"""What a calibration stores: the frozen reference and the limits that keep the budget."""

from dataclasses import dataclass

from tinylcm.core.drift.mix import MixLaw
from tinylcm.core.drift.reference import ClassLaw
from tinylcm.core.drift.residual import ResidualLaw
from tinylcm.core.drift.state import read_numbers, read_part, read_vector
from tinylcm.core.drift.suspicion import SUSPICION_COUNTS
from tinylcm.errors import StateError
from tinylcm.ports import Json

VERSION = 3
_COUNTS = ("version", "budget_predictions", "sample_count", "recording_count", "mix_limit")
_LIMITS = ("slack", "threshold", "any_mix_threshold", "rest_level")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A calibrated test.

    Attributes:
        slack: Half the smallest shift worth noticing.
        threshold: The statistic above which the stream counts as shifted.
        any_mix_threshold: The same for a stream of any two of the reference's classes.
        rest_level: Median of the statistic without drift.
        expected_delays: Mean delay of the alarm, in predictions, by shift in standard deviations; a lower bound
            near 400, where the simulation ends.
    """

    slack: float
    threshold: float
    any_mix_threshold: float
    rest_level: float
    expected_delays: dict[str, float]

    def to_json(self) -> Json:
        """Returns JSON values."""
        numbers = {name: getattr(self, name) for name in _LIMITS}
        return {**numbers, "expected_delays": dict(self.expected_delays)}

    @classmethod
    def from_json(cls, stored: Json) -> "Limits":
        """Reads what `to_json` wrote; raises StateError when it is damaged."""
        delays = read_part(stored, "expected_delays", "limits")
        return cls(
            **read_numbers(stored, _LIMITS, "limits"),
            expected_delays=read_numbers(delays, delays, "expected_delays"),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """The frozen reference of all monitors, and the limits that keep their budget.

    Attributes:
        budget_predictions: At most one false alarm in this many predictions; "default" keeps it for all its
            channels together.
        runtime: Engine and version whose embeddings the reference was made with.
        sample_count: Reference samples it stands on.
        recording_count: Recordings it was replayed from in order; 0 when samples count as independent.
        distance: Law of the mean neighbour distance within each predicted class.
        confidence: The same of the vote's confidence, or None when the reference did not tell it.
        residual: Law of the class-conditional feature residual.
        mix: How the reference's classes are predicted.
        limits: By name of the monitor, and of the channels that "default" combines.
        mix_limit: Bound of the class mix's distance from the reference in a recent window, see `RecentMix`.
        window_limits: Bounds of a window's residual under any class mix, one for each of
            `SUSPICION_COUNTS`; see `Suspicion`.
        caveat: What the calibration cannot promise, for people; empty when nothing is missing.
    """

    budget_predictions: int
    runtime: str
    sample_count: int
    recording_count: int
    distance: ClassLaw
    confidence: ClassLaw | None
    residual: ResidualLaw
    mix: MixLaw
    limits: dict[str, Limits]
    mix_limit: float
    window_limits: tuple[float, ...]
    caveat: str = ""

    def to_json(self) -> Json:
        """Returns JSON values."""
        return {
            "version": VERSION,
            "budget_predictions": self.budget_predictions,
            "runtime": self.runtime,
            "sample_count": self.sample_count,
            "recording_count": self.recording_count,
            "distance": self.distance.to_json(),
            "confidence": self.confidence.to_json() if self.confidence else None,
            "residual": self.residual.to_json(),
            "mix": self.mix.to_json(),
            "limits": {name: limits.to_json() for name, limits in self.limits.items()},
            "mix_limit": self.mix_limit,
            "window_limits": list(self.window_limits),
            "caveat": self.caveat,
        }

    @classmethod
    def from_json(cls, stored: Json) -> "Calibration":
        """Reads what `to_json` wrote.

        Raises:
            StateError: It is damaged, or of an unknown version.
        """
        numbers = read_numbers(stored, _COUNTS, "calibration")
        if numbers["version"] != VERSION:
            raise StateError(f"calibration: expected version {VERSION}, got {numbers['version']}")
        limits = read_part(stored, "limits", "calibration")
        has_confidence = stored.get("confidence") is not None
        return cls(
            budget_predictions=int(numbers["budget_predictions"]),
            runtime=str(stored.get("runtime", "")),
            sample_count=int(numbers["sample_count"]),
            recording_count=int(numbers["recording_count"]),
            distance=ClassLaw.from_json(read_part(stored, "distance", "calibration")),
            confidence=ClassLaw.from_json(read_part(stored, "confidence", "")) if has_confidence else None,
            residual=ResidualLaw.from_json(read_part(stored, "residual", "calibration")),
            mix=MixLaw.from_json(read_part(stored, "mix", "calibration")),
            limits={name: Limits.from_json(read_part(limits, name, "limits")) for name in limits},
            mix_limit=numbers["mix_limit"],
            window_limits=tuple(
                read_vector(stored, "window_limits", len(SUSPICION_COUNTS), "calibration").tolist()
            ),
            caveat=str(stored.get("caveat", "")),
        )

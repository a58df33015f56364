"""Finds harm: what no change of the class mix explains."""

import math
from dataclasses import dataclass

import numpy as np

from tinylcm.core.drift.attribution import attribute, sentence, unexplained
from tinylcm.core.drift.channels import ScalarChannel, VectorChannel
from tinylcm.core.drift.episode import Episode, EpisodeSettings
from tinylcm.core.drift.limits import Calibration
from tinylcm.core.drift.monitor import Reading
from tinylcm.core.drift.monitors import reading_of
from tinylcm.core.drift.scores import FloatArray
from tinylcm.core.drift.state import read_numbers, read_part, read_vector
from tinylcm.core.drift.window import DriftWindow, FreshWindow, RecentMix
from tinylcm.ports import Json
from tinylcm.records import Alarm, DriftType, Recovery

SUSPICION_COUNTS = (32, 64, 128)
"""A crossing that the class mix may explain is judged after so many more observations; the last is final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The scores of one observation, made before any of them is taken."""

    source_index: int
    class_index: int
    residual: FloatArray
    distance: float
    mix: FloatArray


_PROOF_COUNT = 50
"""Observations of a drift that tell how far it had moved when it was found."""
_LATELY_RATE = 0.02
_ESCALATION_SIGMA = 1.5


class HarmWatch:
    """Feature residual and neighbour distance, and the judgement of what a crossing means.

    A crossing is harm at once when the recent class mix is the reference's, or when the statistic is above what
    any two classes alone let expect. Otherwise it is under suspicion: harm if the statistic rises so far after
    all, or if a fresh window is not explained by its own class mix; else nothing.
    """

    def __init__(
        self,
        name: str,
        residual: VectorChannel,
        distance: ScalarChannel,
        calibration: Calibration,
        settings: EpisodeSettings,
    ) -> None:
        self.name = name
        self._calibration = calibration
        self._residual = residual
        self._distance = distance
        self._any_mix = (
            calibration.limits[f"{name}.feature_residual"].any_mix_threshold,
            calibration.limits[f"{name}.knn_distance"].any_mix_threshold,
        )
        class_count, dimension_count = len(calibration.mix.classes), calibration.residual.dimension_count
        self._window = DriftWindow(class_count, dimension_count)
        self._fresh = FreshWindow(class_count, dimension_count)
        self._lately = np.zeros(dimension_count)
        self._recent = RecentMix(calibration.mix)
        self._episode = Episode(settings)
        self._suspicious = False
        self._by_distance = False

    @property
    def drifting(self) -> bool:
        """Whether harm stands."""
        return self._episode.drifting

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Where both tests stand."""
        return reading_of(self._residual), reading_of(self._distance)

    def finds(self, scores: Scores) -> bool:
        """Takes the scores of an undrifted observation; whether there is harm, which `alarm` then begins."""
        ready = self._episode.ready()
        self._take(scores)
        by_residual = self._residual.statistic / self._residual.threshold
        by_distance = self._distance.statistic / self._distance.threshold
        if not ready or max(by_residual, by_distance) <= 1.0:
            self._clear_suspicion()
            return False
        self._by_distance = by_distance > by_residual
        return self._is_harm(scores)

    def _take(self, scores: Scores) -> None:
        self._recent.take(scores.class_index)
        self._residual.take(scores.residual)
        self._distance.take(scores.distance)
        if self._residual.run_length <= 1:
            self._window.clear()
        self._window.take(scores.class_index, scores.residual)

    def _is_harm(self, scores: Scores) -> bool:
        if self._recent.distance <= self._calibration.mix_limit:
            return True
        if self._residual.statistic > self._any_mix[0] or self._distance.statistic > self._any_mix[1]:
            return True
        self._suspicious = True
        self._fresh.take(scores.class_index, scores.residual)
        if self._fresh.count not in SUSPICION_COUNTS:
            return False
        limit = self._calibration.window_limits[SUSPICION_COUNTS.index(self._fresh.count)]
        if unexplained(self._fresh.mean, self._fresh.class_counts, self._calibration.mix) > limit:
            return True
        if self._fresh.count == SUSPICION_COUNTS[-1]:
            self._rest()
        return False

    def alarm(self, source_index: int) -> Alarm:
        """Begins a drift with what was found, and returns its alarm."""
        channel: ScalarChannel | VectorChannel = self._distance if self._by_distance else self._residual
        scalar_names = ("neighbour distance", "confidence")[: 2 if self._calibration.confidence else 1]
        found = attribute(self._window, self._calibration.mix, self._calibration.residual, scalar_names)
        alarm = Alarm(
            detector=self.name,
            type=DriftType.COMBINED,
            statistic=channel.statistic,
            threshold=channel.threshold,
            shift_sigma=channel.shift,
            start_index=max(0, source_index - channel.run_length + 1),
            detect_index=source_index,
            cause=found.cause,
            description=sentence(found, channel.shift, channel.run_length),
        )
        self._episode.enter(channel.enter())
        (self._residual if self._by_distance else self._distance).reset()
        self._suspicious = False
        self._fresh.clear()
        self._lately = np.zeros(len(self._lately))
        return alarm

    def follow(self, scores: Scores) -> Recovery | None:
        """Takes the scores of a drifting observation; the recovery when the drift ends with it."""
        if self._by_distance:
            ended = self._episode.leaves(self._distance.follow(scores.distance))
        else:
            ended = self._episode.leaves(self._residual.follow(scores.residual))
        if not ended and self._became_another(scores):
            self._episode.end(quiet_count=0)
            ended = True
        if not ended:
            return None
        self._rest()
        return Recovery(detector=self.name, recovery_index=scores.source_index)

    def _became_another(self, scores: Scores) -> bool:
        """Whether the drift moved on by more than it had moved in its first `_PROOF_COUNT` observations."""
        self._lately += _LATELY_RATE * (scores.residual - self._lately)
        if self._fresh.count < _PROOF_COUNT:
            self._fresh.take(scores.class_index, scores.residual)
            return False
        before = self._fresh.mean
        further = self._lately - before
        return math.sqrt(further.dot(further)) > _ESCALATION_SIGMA + math.sqrt(before.dot(before))

    def _rest(self) -> None:
        self._residual.reset()
        self._distance.reset()
        self._window.clear()
        self._suspicious = False
        self._fresh.clear()
        self._lately = np.zeros(len(self._lately))

    def _clear_suspicion(self) -> None:
        if self._suspicious:
            self._suspicious = False
            self._fresh.clear()

    def reset(self) -> None:
        """Forgets the stream."""
        self._rest()
        self._recent.clear()
        self._episode.reset()
        self._by_distance = False

    def state(self) -> Json:
        """Returns JSON values of a fixed size."""
        return {
            "residual": self._residual.state(),
            "distance": self._distance.state(),
            "window": self._window.state(),
            "fresh": self._fresh.state(),
            "recent": self._recent.state(),
            "episode": self._episode.state(),
            "lately": self._lately.tolist(),
            "suspicious": int(self._suspicious),
            "by_distance": int(self._by_distance),
        }

    def restore(self, state: Json) -> None:
        """Takes up stored values; StateError may leave it half restored, see `restore_whole`."""
        flags = read_numbers(state, ("suspicious", "by_distance"), self.name)
        for name in ("residual", "distance", "window", "fresh", "recent", "episode"):
            getattr(self, f"_{name}").restore(read_part(state, name, self.name))
        self._lately = read_vector(state, "lately", len(self._lately), self.name)
        self._suspicious, self._by_distance = bool(flags["suspicious"]), bool(flags["by_distance"])

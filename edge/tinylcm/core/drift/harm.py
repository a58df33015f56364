"""Finds harm: what no change of the class mix explains."""

from typing import NamedTuple

from tinylcm.core.drift.attribution import attribute, sentence
from tinylcm.core.drift.channels import ScalarChannel, VectorChannel
from tinylcm.core.drift.episode import Episode, EpisodeSettings
from tinylcm.core.drift.escalation import Escalation
from tinylcm.core.drift.limits import Calibration
from tinylcm.core.drift.monitor import Reading
from tinylcm.core.drift.monitors import reading_of
from tinylcm.core.drift.scores import FloatArray
from tinylcm.core.drift.state import read_numbers, read_part
from tinylcm.core.drift.suspicion import Judgement, Suspicion
from tinylcm.core.drift.window import DriftWindow, RecentMix
from tinylcm.ports import Json
from tinylcm.records import Alarm, DriftType, Recovery

_PARTS = ("residual", "distance", "window", "suspicion", "escalation", "recent", "episode")


class Scores(NamedTuple):
    """The scores of one observation, made before any of them is taken; a tuple, because every frame makes one."""

    source_index: int
    class_index: int
    residual: FloatArray
    distance: float
    mix: FloatArray


class HarmWatch:
    """Feature residual and neighbour distance, and the judgement of what a crossing means.

    A crossing is harm at once when the recent class mix is the reference's, or when the statistic is above what
    any two classes alone let expect. Otherwise it is under `Suspicion`: harm if the statistic rises so far after
    all, or if a fresh window is not explained by its own class mix; else nothing. Harm that has outgrown what it
    began as ends, so that what came upon it has its own alarm.
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
        self._thresholds = residual.threshold, distance.threshold
        self._any_mix = (
            calibration.limits[f"{name}.feature_residual"].any_mix_threshold,
            calibration.limits[f"{name}.knn_distance"].any_mix_threshold,
        )
        dimension_count = calibration.residual.dimension_count
        self._window = DriftWindow(len(calibration.mix.classes), dimension_count)
        self._suspicion = Suspicion(calibration.mix, calibration.window_limits, dimension_count)
        self._escalation = Escalation(dimension_count)
        self._recent = RecentMix(calibration.mix)
        self._episode = Episode(settings)
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
        self._recent.take(scores.class_index)
        by_residual = self._residual.take(scores.residual) / self._thresholds[0]
        by_distance = self._distance.take(scores.distance) / self._thresholds[1]
        remember = self._window.begin if self._residual.run_length <= 1 else self._window.take
        remember(scores.class_index, scores.residual)
        if not ready or (by_residual <= 1.0 and by_distance <= 1.0):
            self._suspicion.clear()
            return False
        self._by_distance = by_distance > by_residual
        return self._is_harm(scores)

    def _is_harm(self, scores: Scores) -> bool:
        if self._recent.distance <= self._calibration.mix_limit:
            return True
        if self._residual.statistic > self._any_mix[0] or self._distance.statistic > self._any_mix[1]:
            return True
        judgement = self._suspicion.judge(scores.class_index, scores.residual)
        if judgement is Judgement.EXPLAINED:
            self._rest()
        return judgement is Judgement.HARM

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
        self._suspicion.clear()
        return alarm

    def follow(self, scores: Scores) -> Recovery | None:
        """Takes the scores of a drifting observation; the recovery when the drift ends with it."""
        if not self._ends(scores):
            return None
        self._rest()
        return Recovery(detector=self.name, recovery_index=scores.source_index)

    def _ends(self, scores: Scores) -> bool:
        by_distance = self._by_distance
        along = (
            self._distance.follow(scores.distance) if by_distance else self._residual.follow(scores.residual)
        )
        outgrown = self._escalation.take(scores.residual)
        if self._episode.leaves(along):
            return True
        if outgrown:
            self._episode.end(quiet_count=0)
        return outgrown

    def _rest(self) -> None:
        for part in (self._residual, self._distance):
            part.reset()
        for memory in (self._window, self._suspicion, self._escalation):
            memory.clear()

    def reset(self) -> None:
        """Forgets the stream."""
        self._rest()
        self._recent.clear()
        self._episode.reset()
        self._by_distance = False

    def state(self) -> Json:
        """Returns JSON values of a fixed size."""
        parts = {name: getattr(self, f"_{name}").state() for name in _PARTS}
        return {**parts, "by_distance": int(self._by_distance)}

    def restore(self, state: Json) -> None:
        """Takes up stored values; StateError may leave it half restored: `Combination` then takes back its own."""
        by_distance = read_numbers(state, ("by_distance",), self.name)["by_distance"]
        for name in _PARTS:
            getattr(self, f"_{name}").restore(read_part(state, name, self.name))
        self._by_distance = bool(by_distance)

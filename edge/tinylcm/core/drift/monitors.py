"""Monitors of one scalar: a score of the observation, a sequential test, and the life of a drift."""

import math
from collections.abc import Callable
from typing import Protocol

from tinylcm.core.drift.episode import Episode, EpisodeSettings
from tinylcm.core.drift.monitor import Reading
from tinylcm.core.drift.reference import ClassLaw
from tinylcm.core.drift.state import read_part
from tinylcm.errors import InputError, StateError
from tinylcm.ports import Json
from tinylcm.records import Alarm, DriftType, Observation, Recovery

Score = Callable[[Observation], float]
"""How far an observation lies from the frozen reference, signed, in standard deviations."""


class SequentialTest(Protocol):
    """Accumulates scores; an alarm is due when the statistic exceeds the threshold."""

    threshold: float

    def update(self, score: float) -> float:
        """Takes one score and returns the statistic."""

    @property
    def run_length(self) -> int:
        """Scores since the estimated change point."""

    @property
    def shift(self) -> float:
        """Mean score since the estimated change point, signed."""

    def reset(self) -> None:
        """Forgets the stream."""

    def state(self) -> Json:
        """Returns JSON values."""

    def restore(self, state: Json) -> None:
        """Takes up stored values; StateError leaves the test as it was."""


class ScalarMonitor:
    """A `Monitor` of one score per observation.

    While a drift lasts the test rests: drifted scores enter neither the reference nor the statistic.
    """

    __slots__ = ("_episode", "_score", "_statistic", "_test", "_type", "name")

    def __init__(
        self, name: str, drift_type: DriftType, score: Score, test: SequentialTest, settings: EpisodeSettings
    ) -> None:
        self.name = name
        self._type = drift_type
        self._score = score
        self._test = test
        self._statistic = 0.0
        self._episode = Episode(settings)

    @property
    def drifting(self) -> bool:
        """Whether an alarm stands that has not recovered."""
        return self._episode.drifting

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Where its test stands."""
        return (Reading(self.name, self._statistic, self._test.threshold),)

    def update(self, observation: Observation) -> Alarm | Recovery | None:
        """Reads one observation; see `Monitor.update`."""
        score = self._score(observation)
        if not math.isfinite(score):
            raise InputError(f"{self.name}: the score is {score}, expected a finite number")
        if self._episode.drifting:
            self._statistic = 0.0
            return self._recovery(observation) if self._episode.leaves(score) else None
        statistic = self._statistic = self._test.update(score)
        if not self._episode.ready() or statistic <= self._test.threshold:
            return None
        return self._alarm(observation, statistic)

    def _alarm(self, observation: Observation, statistic: float) -> Alarm:
        alarm = Alarm(
            detector=self.name,
            type=self._type,
            statistic=statistic,
            threshold=self._test.threshold,
            shift_sigma=self._test.shift,
            start_index=max(0, observation.source_index - self._test.run_length + 1),
            detect_index=observation.source_index,
        )
        self._episode.enter(alarm.shift_sigma)
        self._test.reset()
        return alarm

    def _recovery(self, observation: Observation) -> Recovery:
        self._test.reset()
        return Recovery(detector=self.name, recovery_index=observation.source_index)

    def reset(self) -> None:
        """Forgets the stream and keeps the reference."""
        self._statistic = 0.0
        self._test.reset()
        self._episode.reset()

    def state(self) -> Json:
        """Returns what `restore` needs."""
        return {"name": self.name, "test": self._test.state(), "episode": self._episode.state()}

    def restore(self, state: Json) -> None:
        """Takes up a stored state; see `Monitor.restore`."""
        if state.get("name") != self.name:
            raise StateError(f"{self.name}: expected its own state, got that of {state.get('name')!r}")
        before = self._episode.state()
        self._episode.restore(read_part(state, "episode", self.name))
        try:
            self._test.restore(read_part(state, "test", self.name))
        except StateError:
            self._episode.restore(before)
            raise


def distance_score(law: ClassLaw) -> Score:
    """Mean distance to the neighbours, standardised within the predicted class.

    Conditioning on the class keeps a change of the class mix from looking like a change of the classes.
    """
    laws, overall = law.laws, law.overall

    def score(observation: Observation) -> float:
        prediction = observation.prediction
        if not math.isfinite(prediction.mean_distance):
            raise InputError(
                f"prediction.mean_distance is {prediction.mean_distance}, expected a finite number"
            )
        mean, deviation = laws.get(prediction.label, overall)
        return (prediction.mean_distance - mean) / deviation

    return score

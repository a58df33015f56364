"""Finds another mix of the known classes: worth knowing, but no harm."""

from tinylcm.core.drift.attribution import Attribution, sentence
from tinylcm.core.drift.channels import VectorChannel
from tinylcm.core.drift.episode import Episode, EpisodeSettings
from tinylcm.core.drift.monitor import Reading
from tinylcm.core.drift.monitors import alarm_of, reading_of
from tinylcm.core.drift.scores import FloatArray
from tinylcm.core.drift.state import read_numbers, read_part
from tinylcm.ports import Json
from tinylcm.records import Alarm, DriftCause, Recovery

PATIENCE_COUNT = 128
"""Predictions that a changed class mix must stay without harm: harm, too, changes what is predicted."""


class PriorShiftWatch:
    """The mix of predicted classes; reports a change that has lasted without harm."""

    def __init__(self, channel: VectorChannel, classes: tuple[str, ...], settings: EpisodeSettings) -> None:
        self.name = channel.name
        self._channel = channel
        self._classes = classes
        self._episode = Episode(settings)
        self._waited_count = 0

    @property
    def drifting(self) -> bool:
        """Whether a changed mix stands."""
        return self._episode.drifting

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Where its test stands."""
        return (reading_of(self._channel),)

    def update(self, source_index: int, score: FloatArray) -> Alarm | Recovery | None:
        """Takes the score of one observation that is not harmful."""
        if self._episode.drifting:
            if not self._episode.leaves(self._channel.follow(score)):
                return None
            self._channel.reset()
            return Recovery(detector=self.name, recovery_index=source_index)
        statistic = self._channel.take(score)
        ready = self._episode.ready()
        self._waited_count = self._waited_count + 1 if statistic > self._channel.threshold else 0
        if not ready or self._waited_count <= PATIENCE_COUNT:
            return None
        return self._alarm(source_index, statistic)

    def _alarm(self, source_index: int, statistic: float) -> Alarm:
        mean = self._channel.mean
        more = tuple(self._classes[index] for index in (-mean).argsort()[:3] if mean[index] > 0)
        found = Attribution(cause=DriftCause.PRIOR_SHIFT, classes=more, features=())
        alarm = alarm_of(
            self._channel,
            source_index,
            statistic,
            cause=DriftCause.PRIOR_SHIFT,
            description=sentence(found, self._channel.shift, self._channel.run_length),
        )
        self._episode.enter(self._channel.enter())
        self._waited_count = 0
        return alarm

    def supersede(self, source_index: int) -> Recovery:
        """Ends a prior shift because harm has come: only one alarm stands at a time."""
        self.reset()
        return Recovery(detector=self.name, recovery_index=source_index)

    def forget_crossing(self) -> None:
        """Starts over: harm explains what was seen."""
        self._channel.reset()
        self._waited_count = 0

    def reset(self) -> None:
        """Forgets the stream."""
        self._channel.reset()
        self._episode.reset()
        self._waited_count = 0

    def state(self) -> Json:
        """Returns JSON values of a fixed size."""
        return {
            "channel": self._channel.state(),
            "episode": self._episode.state(),
            "waited_count": self._waited_count,
        }

    def restore(self, state: Json) -> None:
        """Takes up stored values; StateError may leave it half restored."""
        waited = read_numbers(state, ("waited_count",), self.name)
        self._channel.restore(read_part(state, "channel", self.name))
        self._episode.restore(read_part(state, "episode", self.name))
        self._waited_count = int(waited["waited_count"])

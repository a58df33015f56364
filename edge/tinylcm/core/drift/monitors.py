"""One channel as a monitor: it enters a drift once, stays, and leaves it."""

from tinylcm.core.drift.channels import Channel
from tinylcm.core.drift.episode import Episode, EpisodeSettings
from tinylcm.core.drift.monitor import Reading
from tinylcm.core.drift.state import check_owner, read_part
from tinylcm.errors import StateError
from tinylcm.ports import Json
from tinylcm.records import Alarm, DriftCause, Observation, Recovery


class ChannelMonitor:
    """A `Monitor` of one `Channel`.

    While a drift lasts the test rests: drifted scores enter neither the reference nor the statistic.

    Args:
        channel: What is watched.
        settings: How a drift is entered and left.
        cause: What every alarm of this channel looks like, where that is known beforehand.
    """

    __slots__ = ("_cause", "_channel", "_episode", "_score", "_take", "name")

    def __init__(
        self, channel: Channel, settings: EpisodeSettings | None = None, cause: DriftCause | None = None
    ) -> None:
        self.name = channel.name
        self._channel = channel
        self._score = channel.score
        self._take = channel.take
        self._episode = Episode(settings or EpisodeSettings())
        self._cause = cause

    @property
    def drifting(self) -> bool:
        """Whether an alarm stands that has not recovered."""
        return self._episode.drifting

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Where its test stands."""
        return (reading_of(self._channel),)

    def update(self, observation: Observation) -> Alarm | Recovery | None:
        """Reads one observation; see `Monitor.update`."""
        score = self._score(observation)
        episode = self._episode
        if episode.drifting:
            return self._recovery(observation) if episode.leaves(self._channel.follow(score)) else None
        statistic = self._take(score)
        if not episode.ready() or statistic <= self._channel.threshold:
            return None
        return self._alarm(observation, statistic)

    def _alarm(self, observation: Observation, statistic: float) -> Alarm:
        alarm = alarm_of(self._channel, observation.source_index, statistic, cause=self._cause)
        self._episode.enter(self._channel.enter())
        return alarm

    def _recovery(self, observation: Observation) -> Recovery:
        self._channel.reset()
        return Recovery(detector=self.name, recovery_index=observation.source_index)

    def reset(self) -> None:
        """Forgets the stream and keeps the reference."""
        self._channel.reset()
        self._episode.reset()

    def state(self) -> Json:
        """Returns what `restore` needs."""
        return {"name": self.name, "channel": self._channel.state(), "episode": self._episode.state()}

    def restore(self, state: Json) -> None:
        """Takes up a stored state; see `Monitor.restore`."""
        check_owner(state, self.name)
        before = self._episode.state()
        self._episode.restore(read_part(state, "episode", self.name))
        try:
            self._channel.restore(read_part(state, "channel", self.name))
        except StateError:
            self._episode.restore(before)
            raise


def alarm_of(
    channel: Channel,
    source_index: int,
    statistic: float,
    *,
    cause: DriftCause | None = None,
    description: str = "",
) -> Alarm:
    """The alarm that a channel's statistic gives rise to at ``source_index``."""
    return Alarm(
        detector=channel.name,
        type=channel.type,
        statistic=statistic,
        threshold=channel.threshold,
        shift_sigma=channel.shift,
        start_index=max(0, source_index - channel.run_length + 1),
        detect_index=source_index,
        cause=cause,
        description=description,
    )


def reading_of(channel: Channel) -> Reading:
    """Where the channel's test stands."""
    return Reading(channel.name, channel.statistic, channel.threshold)

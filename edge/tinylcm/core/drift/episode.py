"""The life of one drift: quiet at first, entered once, left when the stream is back at the reference."""

from dataclasses import dataclass

from tinylcm.core.drift.state import read_numbers
from tinylcm.ports import Json

_NUMBERS = ("drifting", "quiet_left", "count", "level", "variance", "average", "last")
_PRIOR_COUNT = 80
_ESTIMATE_SHARE = 0.7
"""What remains of the shift estimated at an alarm, on average: the alarm fell where chance helped."""
_SLOWEST_LEARNING = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSettings:
    """How a drift is entered and left.

    Attributes:
        warm_up_count: Observations before the first alarm may be raised.
        cooldown_count: Observations after a recovery before the next alarm may be raised.
        exit_share: A drift ends when the average score is below this share of the drift's level.
        exit_certainty: Level and average differ by this many standard deviations of the average.
        lowest_level: A level below this counts as this, so that a drift that fades ends at last; and a drift whose
            level is below it after `proof_count` observations was none.
        proof_count: Observations after which the learned level is trusted.
        slowest_rate: Lower bound of the average's weight; it bounds the delay of a recovery.
        fastest_rate: Upper bound of the average's weight.
    """

    warm_up_count: int = 30
    cooldown_count: int = 30
    exit_share: float = 0.5
    exit_certainty: float = 4.0
    lowest_level: float = 0.35
    proof_count: int = 200
    slowest_rate: float = 0.01
    fastest_rate: float = 0.1


class Episode:
    """Decides when an alarm may be raised and when it ends.

    While drifting, scores point along the drift. Their level is learned on, and an exponentially weighted average of
    them is compared with it: half of it is nearer to the reference's 0. The weaker the drift, the slower the
    average, so that a weak drift does not flap.

    >>> episode = Episode(EpisodeSettings(warm_up_count=0))
    >>> episode.ready()
    True
    >>> episode.enter(2.0)
    >>> any(episode.leaves(2.0) for _ in range(100))
    False
    >>> next(count for count in range(1, 100) if episode.leaves(0.0))
    9
    """

    __slots__ = ("_average", "_count", "_last", "_level", "_quiet_left", "_variance", "drifting", "settings")

    def __init__(self, settings: EpisodeSettings) -> None:
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Starts over with the warm-up."""
        self.drifting = False
        self._quiet_left = self.settings.warm_up_count
        self._count = 0
        self._level = self._variance = self._average = self._last = 0.0

    def ready(self) -> bool:
        """Counts an undrifted observation; whether an alarm may be raised at it."""
        if self._quiet_left > 0:
            self._quiet_left -= 1
            return False
        return True

    def enter(self, level: float) -> None:
        """Begins a drift whose scores are about ``level`` reference standard deviations above 0."""
        self.drifting = True
        self._count = _PRIOR_COUNT
        self._level = self._average = self._last = level * _ESTIMATE_SHARE
        self._variance = 1.0

    def leaves(self, score: float) -> bool:
        """Takes a score of a drifting stream; whether the drift ends with it."""
        self._learn(score)
        settings = self.settings
        level = max(self._level, settings.lowest_level)
        rate = 2.0 * (settings.exit_share * level / settings.exit_certainty) ** 2 / self._variance
        rate = min(max(rate, settings.slowest_rate), settings.fastest_rate)
        self._average += rate * (score - self._average)
        disproved = self._level < level and self._count >= _PRIOR_COUNT + settings.proof_count
        if self._average > settings.exit_share * level and not disproved:
            return False
        self.end(quiet_count=settings.cooldown_count)
        return True

    def end(self, *, quiet_count: int) -> None:
        """Ends the drift; no alarm may be raised at the next ``quiet_count`` observations."""
        self.reset()
        self._quiet_left = quiet_count

    def _learn(self, score: float) -> None:
        self._count += 1
        weight = max(1.0 / self._count, _SLOWEST_LEARNING)
        self._level += weight * (score - self._level)
        step = score - self._last  # successive scores differ by the noise alone, also when the drift ends
        self._variance += weight * (0.5 * step * step - self._variance)
        self._last = score

    def state(self) -> Json:
        """Returns seven numbers."""
        return {
            "drifting": int(self.drifting),
            "quiet_left": self._quiet_left,
            "count": self._count,
            "level": self._level,
            "variance": self._variance,
            "average": self._average,
            "last": self._last,
        }

    def restore(self, state: Json) -> None:
        """Takes up stored numbers; StateError leaves the episode as it was."""
        numbers = read_numbers(state, _NUMBERS, "episode")
        self.drifting = bool(numbers["drifting"])
        self._quiet_left, self._count = int(numbers["quiet_left"]), int(numbers["count"])
        self._level, self._variance = numbers["level"], numbers["variance"]
        self._average, self._last = numbers["average"], numbers["last"]

"""The life of one drift: quiet at first, entered once, left when the stream is back at the reference."""

import math
from dataclasses import dataclass

from tinylcm.core.drift.state import read_numbers
from tinylcm.ports import Json

_NUMBERS = ("drifting", "quiet_left", "level", "rate", "average")


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSettings:
    """How a drift is entered and left.

    Attributes:
        warm_up_count: Observations before the first alarm may be raised.
        cooldown_count: Observations after a recovery before the next alarm may be raised.
        exit_share: A drift ends when the average score fell below this share of its estimated shift.
        exit_certainty: That boundary stands this many standard deviations of the average away from both sides.
        slowest_rate: Lower bound of the average's weight, which bounds the delay of a recovery.
        fastest_rate: Upper bound of the average's weight.
    """

    warm_up_count: int = 30
    cooldown_count: int = 30
    exit_share: float = 0.2
    exit_certainty: float = 3.5
    slowest_rate: float = 0.03
    fastest_rate: float = 0.05


class Episode:
    """Decides when an alarm may be raised and when it ends.

    While drifting, an exponentially weighted average of the scores starts at the estimated shift. The smaller the
    shift, the slower the average, so that its noise stays clear of the boundary: a weak drift does not flap.

    >>> episode = Episode(EpisodeSettings(warm_up_count=0))
    >>> episode.ready()
    True
    >>> episode.enter(2.0)
    >>> [episode.leaves(score) for score in (2.0, 1.0)]
    [False, False]
    >>> next(count for count in range(1, 100) if episode.leaves(0.0))
    53
    """

    __slots__ = ("_average", "_level", "_quiet_left", "_rate", "drifting", "settings")

    def __init__(self, settings: EpisodeSettings) -> None:
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Starts over with the warm-up."""
        self.drifting = False
        self._quiet_left = self.settings.warm_up_count
        self._level = self._rate = self._average = 0.0

    def ready(self) -> bool:
        """Counts an undrifted observation; whether an alarm may be raised at it."""
        if self._quiet_left > 0:
            self._quiet_left -= 1
            return False
        return True

    def enter(self, shift: float) -> None:
        """Begins a drift of ``shift`` reference standard deviations (signed, not 0)."""
        settings = self.settings
        rate = 2.0 * (settings.exit_share * shift / settings.exit_certainty) ** 2
        self._rate = min(max(rate, settings.slowest_rate), settings.fastest_rate)
        self._level = self._average = shift
        self.drifting = True

    def leaves(self, score: float) -> bool:
        """Takes a score of a drifting stream; whether the drift ends with it."""
        self._average += self._rate * (score - self._average)
        if math.copysign(1.0, self._level) * self._average > self.settings.exit_share * abs(self._level):
            return False
        self.reset()
        self._quiet_left = self.settings.cooldown_count
        return True

    def state(self) -> Json:
        """Returns five numbers."""
        return {
            "drifting": int(self.drifting),
            "quiet_left": self._quiet_left,
            "level": self._level,
            "rate": self._rate,
            "average": self._average,
        }

    def restore(self, state: Json) -> None:
        """Takes up stored numbers; StateError leaves the episode as it was."""
        numbers = read_numbers(state, _NUMBERS, "episode")
        self.drifting = bool(numbers["drifting"])
        self._quiet_left = int(numbers["quiet_left"])
        self._level, self._rate, self._average = numbers["level"], numbers["rate"], numbers["average"]

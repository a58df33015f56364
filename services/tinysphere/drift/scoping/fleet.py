"""How many devices run each model version: asked of the registry, remembered for a short time."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from tinysphere.domain.clock import Clock

TTL = timedelta(minutes=1)
MOST_VERSIONS = 10_000


class Fleet(Protocol):
    """The devices there are."""

    def running_counts(self) -> Mapping[str, int]:
        """Returns how many devices run each bundle, by its SHA-256.

        Raises:
            UnavailableError: The registry cannot be reached.
        """


class RememberedFleet:
    """Asks again after `TTL`. Keeps the `MOST_VERSIONS` bundles that most devices run; for one thread."""

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self._fleet = fleet
        self._clock = clock
        self._asked: tuple[datetime, Mapping[str, int]] | None = None

    def running_counts(self) -> Mapping[str, int]:
        """See `Fleet.running_counts`."""
        now = self._clock.now()
        if self._asked is None or now - self._asked[0] >= TTL:
            counts = Counter(self._fleet.running_counts())
            self._asked = now, dict(counts.most_common(MOST_VERSIONS))
        return self._asked[1]

"""How many samples a device may send in a day, so that a long drift does not eat its link or a reviewer's patience.

A day ends when the device's clock shows another date, but not before the device ran for an hour of it, or when it ran
for 24 hours: a clock that jumps, or stands in 1970, neither opens the tap nor closes it for ever.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.core.adapt.quarantine import sample_size_bytes
from tinylcm.errors import StorageFullError
from tinylcm.ports import Clock
from tinylcm.records import Sample

_LOGGER = logging.getLogger(__name__)
_NAME = "sample_ration"
_LEAST_S, _LONGEST_S = 3600.0, 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was sent since a day began; `begin_s` on the outbox's clock of running time."""

    day: str
    begin_s: float
    sample_count: int = 0
    size_bytes: int = 0


class SampleRation:
    """The daily bounds of one device.

    Args:
        samples_per_day: Most samples in a day.
        bytes_per_day: Most bytes of samples in a day, before compression.

    Attributes:
        withheld_count: Samples of this boot that were not sent for it.
    """

    def __init__(
        self, outbox: SqliteOutbox, clock: Clock, *, samples_per_day: int, bytes_per_day: int
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._samples_per_day = samples_per_day
        self._bytes_per_day = bytes_per_day
        self.withheld_count = 0

    def choose(self, samples: Sequence[Sample]) -> list[Sample]:
        """Returns what may be sent of ``samples``: all, or as many as fit, spread evenly over them."""
        spent = self._spent()
        count = min(len(samples), max(self._samples_per_day - spent.sample_count, 0))
        room_bytes = self._bytes_per_day - spent.size_bytes
        while count and sum(map(sample_size_bytes, _spread(samples, count))) > room_bytes:
            count -= 1
        return _spread(samples, count)

    def spend(self, sent: Sequence[Sample], offered_count: int) -> None:
        """Counts what was put into the outbox, of so many that were there."""
        self.withheld_count += offered_count - len(sent)
        if offered_count > len(sent):
            _LOGGER.warning(
                "%d of %d samples are not sent: the day's ration is spent",
                offered_count - len(sent),
                offered_count,
            )
        if not sent:
            return
        spent = self._spent()
        now = Spent(
            day=spent.day,
            begin_s=spent.begin_s,
            sample_count=spent.sample_count + len(sent),
            size_bytes=spent.size_bytes + sum(map(sample_size_bytes, sent)),
        )
        try:
            self._outbox.set_value(_NAME, json.dumps(asdict(now)))
        except StorageFullError as error:
            _LOGGER.error("the day's ration cannot be counted: %s", error)

    def _spent(self) -> Spent:
        today, running_s = self._clock.now().date().isoformat(), self._outbox.running_s()
        fresh = Spent(day=today, begin_s=running_s)
        stored = self._outbox.value(_NAME)
        if stored is None:
            return fresh
        spent = Spent(**json.loads(stored))
        running_s = max(running_s - spent.begin_s, 0.0)
        is_over = running_s >= _LONGEST_S or (spent.day != today and running_s >= _LEAST_S)
        return fresh if is_over else spent


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    return [samples[index * len(samples) // count] for index in range(count)]

"""Counts the starts of a device that came to nothing, so that it leaves behind what kills it.

A start came to nothing when the device ended before it predicted `HEALTHY_PREDICTIONS` frames, made a checkpoint, ran
for `HEALTHY_S`, or stopped in order: a state that kills does so at once, and power that fails again and again is no
reason to forget what was learned. The count is durable before anything of the model runs. What is done about it, by the
count of such starts on end:

- a bundle on trial is left for the one before after 3 (`models`, `slots` count these by themselves);
- a settled bundle goes on from its newest snapshot but one after `MOST_FAILURES`, and from the bundle's own state
  after twice as many.
"""

import logging

from tinylcm.errors import StorageFullError
from tinylcm.ports import Outbox

MOST_FAILURES = 5
HEALTHY_S = 120.0
HEALTHY_PREDICTIONS = 20

_LOGGER = logging.getLogger(__name__)
_NAME = "failed_start_count"


class Starts:
    """The count of one device; a start that cannot be counted is still made."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.failed_count = int(outbox.value(_NAME) or 0)
        self._is_open = False

    def begin(self) -> None:
        """Counts this start as one that came to nothing, until `survived`."""
        self._is_open = True
        self._store(self.failed_count + 1)

    def survived(self) -> None:
        """This start came to something; only the first call costs a write."""
        if self._is_open:
            self._is_open = False
            self._store(0)

    def _store(self, count: int) -> None:
        try:
            self._outbox.set_value(_NAME, str(count))
        except StorageFullError as error:
            _LOGGER.error("the start cannot be counted: %s", error)


def failed_starts(values: dict[str, str]) -> int:
    """Reads the count out of the outbox's values."""
    return int(values.get(_NAME) or 0)

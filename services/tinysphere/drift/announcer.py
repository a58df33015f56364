"""Tells the device registry that feedback waits, so that devices learn of it with their next heartbeat.

What is due stands in the store, beside the feedback and committed with it: after a crash or an outage of the
registry it is still due. Marks only grow, so announcing one twice does no harm.
"""

import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Protocol

from tinysphere.domain.clock import Clock
from tinysphere.jobs.periodic import Periodic
from tinysphere.storage.ports.drift import DriftStore

BATCH_SIZE = 1000  # the most that AnnounceWork takes
POLL_INTERVAL_S = 5.0  # for what another process made due; our own wakes us
UNKNOWN_DEVICE_RETRY = timedelta(minutes=1)

logger = logging.getLogger(__name__)


class DeviceRegistry(Protocol):
    """Where devices ask what waits for them."""

    def announce_feedback(self, marks: Mapping[str, int]) -> Collection[str]:
        """Announces the highest feedback sequence of each device; returns the devices it does not know.

        Raises:
            UnavailableError: The registry cannot be reached.
        """

    def close(self) -> None:
        """Ends the connection."""


class Announcer:
    """One thread; `wake` it when feedback was made."""

    def __init__(self, store: DriftStore, registry: DeviceRegistry, clock: Clock) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._thread = Periodic("feedback-announcer", self._announce_all, interval_s=POLL_INTERVAL_S)

    def start(self) -> None:
        """Announces what is due, now and from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and the connection; what was not announced stays due."""
        self._thread.stop()
        self._registry.close()

    def wake(self) -> None:
        """Has the thread look at once. Never blocks."""
        self._thread.wake()

    def announce_due(self) -> bool:
        """Announces one batch; returns whether more may be due."""
        now = self._clock.now()
        due = self._store.due_announcements(now=now, limit=BATCH_SIZE)
        if not due:
            return False
        unknown = set(self._registry.announce_feedback(due))
        self._store.settle_announcements({key: mark for key, mark in due.items() if key not in unknown})
        if unknown:
            logger.warning("%d devices with feedback are not registered", len(unknown))
            self._store.postpone_announcements(unknown, until=now + UNKNOWN_DEVICE_RETRY)
        return len(due) == BATCH_SIZE

    def _announce_all(self) -> None:
        while self.announce_due():
            pass

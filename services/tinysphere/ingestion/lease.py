"""A claim on a package, kept while the work goes on."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

from tinysphere.domain.clock import Clock
from tinysphere.errors import UnavailableError
from tinysphere.ingestion.archive.member import Member
from tinysphere.storage.ports.packages import Claim, WorkStore


class StoppingError(UnavailableError):
    """The worker ends; somebody else goes on."""


class Lease:
    """Keeps a claim while the work goes on, and ends the work when it must. Threads share it."""

    def __init__(
        self,
        claim: Claim,
        store: WorkStore,
        clock: Clock,
        *,
        length: timedelta,
        should_stop: Callable[[], bool],
    ) -> None:
        self._claim = claim
        self._store = store
        self._clock = clock
        self._length = length
        self._should_stop = should_stop
        self._lock = threading.Lock()
        self._renew_time = clock.now() + length / 3

    def keep(self) -> None:
        """Renew the claim when a third of its lease is over.

        Raises:
            SupersededError: CLAIM_LOST.
            StoppingError: the worker ends.
        """
        if self._should_stop():
            raise StoppingError("STOPPING", "the worker ends", retry_after_s=0)
        with self._lock:
            now = self._clock.now()
            if now >= self._renew_time:
                self._store.renew(self._claim, lease_time=now + self._length)
                self._renew_time = now + self._length / 3

    def watched(self, members: Iterator[Member]) -> Iterator[Member]:
        """The members, the claim kept between them."""
        for member in members:
            self.keep()
            yield member

"""Hands reviewers the samples that wait for a verdict, no sample to two of them at once."""

from collections.abc import Collection, Sequence

from tinysphere.domain.clock import Clock
from tinysphere.domain.queue import QueueFilter, SampleLease
from tinysphere.domain.review import QueueOrder, ReviewSettings, VerdictPolicy
from tinysphere.storage.ports.queue import LeaseRequest, QueueStore
from tinysphere.storage.ports.review import ReviewStore


class ReviewQueue:
    """Follows the settings of reviewing as they stand when it is asked."""

    def __init__(self, queue: QueueStore, reviewing: ReviewStore, clock: Clock) -> None:
        self._queue = queue
        self._reviewing = reviewing
        self._clock = clock

    def lease(
        self, reviewer: str, *, wanted: QueueFilter, order: QueueOrder | None, limit: int
    ) -> tuple[Sequence[SampleLease], int]:
        """Has a reviewer hold the next samples; leases that run already are renewed.

        Returns:
            The leases, and how many samples wait, whoever holds them.
        """
        now, settings = self._clock.now(), self._reviewing.get_settings()
        request = LeaseRequest(
            reviewer=reviewer,
            wanted=wanted,
            order=order or settings.order,
            limit=limit,
            now=now,
            expire_time=now + settings.lease_duration,
            speaker_limit=None if _decides(reviewer, settings) else settings.reviewer_count,
        )
        return self._queue.lease(request), self._queue.count(wanted)

    def release(self, reviewer: str, sample_ids: Collection[str], *, skip: bool) -> int:
        """Ends leases before their time; returns how many were running."""
        return self._queue.release(reviewer, sample_ids, skip=skip, now=self._clock.now())


def _decides(reviewer: str, settings: ReviewSettings) -> bool:
    """Whether samples on which all others disagree wait for this reviewer."""
    return settings.policy is VerdictPolicy.ADJUDICATOR and reviewer in settings.adjudicators

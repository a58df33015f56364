"""What the review queue needs of its store. The drift process is the only writer behind it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tinysphere.domain.drift import DriftEvent, Verdict
from tinysphere.domain.queue import QueueFilter, SampleLease
from tinysphere.domain.review import QueueOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRequest:
    """What one reviewer asks for.

    Attributes:
        limit: Most samples wanted.
        expire_time: Until when they are to be kept for the reviewer.
        speaker_limit: Samples on which so many reviewers disagree wait for nobody; None for one who decides these.
    """

    reviewer: str
    wanted: QueueFilter
    order: QueueOrder
    limit: int
    now: datetime
    expire_time: datetime
    speaker_limit: int | None


class QueueSteps(Protocol):
    """Keeps the queue in step with samples and events; part of the transactions that change these, and their last.

    A sample waits while it is open and its event, if any, is not resolved.
    """

    def refresh_samples(self, sample_ids: Collection[str], *, now: datetime) -> None:
        """After samples came, were judged, or wait again."""

    def refresh_event(self, drift_event_id: str, *, now: datetime) -> None:
        """After an event was resolved or opened again by hand."""

    def rank_event(self, event: DriftEvent) -> None:
        """After an event came, maybe later than its samples: they rank by its severity."""

    def rank_groups(self, joined: Mapping[str, Collection[str]], sizes: Mapping[str, int]) -> None:
        """After samples joined groups: they rank by the size of these, and the others by what it grew.

        Args:
            joined: Sample ids by group id.
            sizes: Samples of each group now.
        """

    def end_leases(self, verdicts: Sequence[Verdict]) -> None:
        """After verdicts were taken: their samples need not be kept for these reviewers any longer."""


class QueueStore(Protocol):
    """The open samples in their orders, and leases on them. Each method is one transaction.

    Which samples are in the queue follows from samples and events, in the transactions that change these.
    """

    def lease(self, request: LeaseRequest) -> Sequence[SampleLease]:
        """Renews the reviewer's leases and takes more, so that the reviewer holds what was asked for.

        Held ones come first, skipped ones last. However many ask at once, on whichever server, no sample is
        leased to two.
        """

    def release(self, reviewer: str, sample_ids: Collection[str], *, skip: bool, now: datetime) -> int:
        """Ends the reviewer's leases on these samples; the reviewer skips them, or does so no longer.

        Returns:
            How many leases were still running.
        """

    def count(self, wanted: QueueFilter) -> int:
        """Returns how many samples wait, whoever holds them."""

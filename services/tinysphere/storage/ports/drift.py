"""What the drift service needs of its store. The drift process is the only writer behind it.

Pages are key-set pages: `after` is the key of the last row of the page before, and the cost of a page does not
grow with what lies before it. Every method outside `transaction` is one transaction of its own.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tinysphere.domain.drift import (
    DriftEvent,
    DriftEventState,
    DriftEventTransition,
    DriftScope,
    DriftType,
    EventProgress,
    Judgement,
    JudgementChange,
    Sample,
    SampleState,
    Severity,
    Verdict,
)
from tinysphere.domain.feedback import Acknowledgement, FeedbackItem
from tinysphere.errors import NotFoundError
from tinysphere.storage.ports.audit import AuditSteps
from tinysphere.storage.ports.backlogs import BacklogSteps
from tinysphere.storage.ports.labels import LabelSteps
from tinysphere.storage.ports.notifications import NoticeSteps
from tinysphere.storage.ports.queue import QueueSteps
from tinysphere.storage.ports.review_settings import SettingsSteps

TimeKey = tuple[datetime, str]
"""A moment and an id, which tells apart what happened at the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events to list; empty or None means all."""

    device_id: str = ""
    states: frozenset[DriftEventState] = frozenset()
    type: DriftType | None = None
    minimum_severity: Severity | None = None
    scope: DriftScope | None = None
    received_from: datetime | None = None
    received_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFilter:
    """Which samples to list; empty or None means all."""

    drift_event_id: str = ""
    device_id: str = ""
    group_id: str = ""
    state: SampleState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictFilter:
    """Which verdicts to list; empty means all.

    Attributes:
        reader: Who reads them: while reviewing is blind, others' verdicts on open samples are left out.
    """

    sample_id: str = ""
    drift_event_id: str = ""
    reader: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackFilter:
    """Which feedback items to list; empty means all."""

    device_id: str = ""
    drift_event_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFeedback:
    """A feedback item before it has a place in its device's sequence."""

    feedback_id: str
    device_id: str
    sample_id: str
    drift_event_id: str
    judgement: Judgement


class DriftTransaction(Protocol):
    """Steps that become visible together, or not at all.

    What is locked nobody else changes until the transaction ends. Methods lock in the order of the ids; callers
    lock the settings of reviewing, then samples, then feedback items, then events, then labels, then backlogs, then
    the queue, so that no two transactions wait for each other.
    """

    @property
    def settings(self) -> SettingsSteps:
        """What reviewing follows."""

    @property
    def labels(self) -> LabelSteps:
        """The catalogue of labels."""

    @property
    def audit(self) -> AuditSteps:
        """Records of what somebody did."""

    @property
    def backlogs(self) -> BacklogSteps:
        """What became of each device's feedback."""

    @property
    def queue(self) -> QueueSteps:
        """Samples that wait for a verdict; the last steps of a transaction."""

    @property
    def notices(self) -> NoticeSteps:
        """Word left for people."""

    def fix_dimensions(self, dimension_counts: Mapping[str, int]) -> Mapping[str, int]:
        """Fixes the embedding dimension of every feature space named that has none; returns what holds now."""

    def add_samples(self, samples: Sequence[Sample]) -> frozenset[str]:
        """Adds the samples whose ids are free and returns these ids."""

    def sample_owners(self, sample_ids: Collection[str]) -> Mapping[str, str]:
        """Returns the device of each sample that exists."""

    def lock_samples(self, sample_ids: Collection[str]) -> Mapping[str, Sample]:
        """Returns the samples that exist."""

    def set_judgements(self, changes: Sequence[JudgementChange]) -> None:
        """Marks locked samples as judged, as waiting again, and as ones that reviewers disagree on."""

    def claim_events(self, owners: Mapping[str, str]) -> Mapping[str, str]:
        """Locks event ids, known or not, and returns the device of each: the first that named the id.

        Args:
            owners: Device id by drift event id.
        """

    def lock_events(self, drift_event_ids: Collection[str]) -> Mapping[str, DriftEvent]:
        """Locks event ids that samples or events named, and returns the events that exist."""

    def add_event(self, event: DriftEvent) -> None:
        """Adds an event whose id is claimed and free."""

    def set_recovery(self, event: DriftEvent) -> None:
        """Stores an event's recovery."""

    def set_state(self, event: DriftEvent, transitions: Sequence[DriftEventTransition]) -> None:
        """Stores an event's state, its resolution, and how it got there."""

    def add_progress(self, increments: Mapping[str, EventProgress]) -> None:
        """Adds to the progress of locked events, whether they exist yet or not."""

    def get_verdicts(self, verdict_ids: Collection[str]) -> Mapping[str, Verdict]:
        """Returns the verdicts that exist."""

    def verdicts_on(self, sample_ids: Collection[str]) -> Mapping[str, Sequence[Verdict]]:
        """Returns every verdict on these samples, in the order they were given."""

    def add_verdicts(self, verdicts: Sequence[Verdict], drift_event_ids: Mapping[str, str]) -> None:
        """Appends verdicts.

        Args:
            verdicts: In the order they were given.
            drift_event_ids: Event by sample id.

        Raises:
            ConflictError: VERDICT_CONFLICT, an id was taken at this very moment.
        """

    def add_feedback(self, items: Sequence[NewFeedback], *, now: datetime) -> None:
        """Appends items to their devices' sequences and leaves their announcement due."""

    def lock_feedback(self, device_id: str, feedback_ids: Collection[str]) -> Mapping[str, FeedbackItem]:
        """Returns the device's items that exist."""

    def set_acknowledgements(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Stores devices' answers."""


class DriftStore(Protocol):
    """Drift events, samples, verdicts and feedback, kept durably."""

    def transaction(self) -> AbstractContextManager[DriftTransaction]:
        """Commits when the block ends, takes everything back when it raises."""

    def get_event(self, drift_event_id: str) -> DriftEvent:
        """Raises NotFoundError, DRIFT_EVENT_NOT_FOUND."""

    def list_transitions(self, drift_event_id: str) -> Sequence[DriftEventTransition]:
        """Returns an event's changes of state, oldest first."""

    def list_events(self, wanted: EventFilter, *, after: TimeKey | None, limit: int) -> Sequence[DriftEvent]:
        """Newest first; the key is `(receive_time, drift_event_id)`."""

    def get_sample(self, sample_id: str) -> Sample:
        """Raises NotFoundError, SAMPLE_NOT_FOUND."""

    def list_samples(self, wanted: SampleFilter, *, after: TimeKey | None, limit: int) -> Sequence[Sample]:
        """Oldest first; the key is `(capture_time, sample_id)`."""

    def list_verdicts(
        self, wanted: VerdictFilter, *, after: int | None, limit: int
    ) -> Sequence[tuple[int, Verdict]]:
        """In the order they were given, each with its key."""

    def list_feedback(
        self, wanted: FeedbackFilter, *, after: int | None, limit: int
    ) -> Sequence[tuple[int, FeedbackItem]]:
        """Newest first, each with its key."""

    def fetch_feedback(self, device_id: str, *, after_sequence: int, limit: int) -> Sequence[FeedbackItem]:
        """Returns a device's items that are not done, in ascending sequence."""

    def due_announcements(self, *, now: datetime, limit: int) -> Mapping[str, int]:
        """Returns the highest sequence of each device whose announcement is due, longest waiting first."""

    def settle_announcements(self, announced: Mapping[str, int]) -> None:
        """Takes announcements off, unless a higher sequence has come up since."""

    def postpone_announcements(self, device_ids: Collection[str], *, until: datetime) -> None:
        """Makes announcements due again at a later time."""


def event_not_found(drift_event_id: str) -> NotFoundError:
    return NotFoundError(
        "DRIFT_EVENT_NOT_FOUND",
        f"drift event {drift_event_id} is not known",
        metadata={"drift_event_id": drift_event_id},
    )


def sample_not_found(sample_id: str) -> NotFoundError:
    return NotFoundError(
        "SAMPLE_NOT_FOUND", f"sample {sample_id} is not known", metadata={"sample_id": sample_id}
    )

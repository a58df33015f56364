"""What is read of reviewing; what changes it are steps of `tinysphere.storage.ports.drift.DriftTransaction`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.drift import Sample
from tinysphere.domain.review import Label, ReviewSettings
from tinysphere.storage.ports.drift import TimeKey

AuditKey = tuple[datetime, int]
"""When, and the ordinal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which audit records to list; empty or None means all, times are from the first to before the second."""

    subject: str = ""
    after_time: datetime | None = None
    before_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What a reviewer's newest verdict says of a sample: the class, or an empty label for one that is unusable."""

    sample_id: str
    reviewer: str
    label: str


class ReviewStore(Protocol):
    """Settings, labels, disagreements and records, as they are kept; each method is one transaction."""

    def get_settings(self) -> ReviewSettings:
        """Returns the settings."""

    def list_labels(self, *, after: str | None, limit: int) -> Sequence[Label]:
        """In the order of their names; the key is a name."""

    def list_disagreements(self, *, after: TimeKey | None, limit: int) -> Sequence[Sample]:
        """Samples on which reviewers disagree, oldest disagreement first; the key is `(disagree_time, sample_id)`."""

    def list_audit(
        self, wanted: AuditFilter, *, after: AuditKey | None, limit: int
    ) -> Sequence[tuple[int, AuditRecord]]:
        """What changed a state, newest first, each with its ordinal."""

    def ratings(
        self, *, after_time: datetime | None, before_time: datetime | None, limit: int
    ) -> Sequence[Rating]:
        """What reviewers say of samples by the `limit` newest verdicts of that time, newest first.

        Of each reviewer and sample the newest verdict counts; one that is withdrawn, or says that the reviewer cannot
        tell, says nothing. Labels are named as the catalogue names them now.
        """

"""What groups of look-alikes need of their store. The drift process is the only writer behind it."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tinysphere.domain.drift import Sample, Verdict
from tinysphere.domain.sample_groups import (
    GroupCentre,
    GroupingStep,
    GroupOutcome,
    GroupSpace,
    SampleGroup,
)
from tinysphere.errors import NotFoundError
from tinysphere.storage.ports.drift import DriftTransaction

GroupKey = tuple[int, str]
"""Open samples and the id of a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFilter:
    """Which groups to list; empty or 0 means all."""

    feature_space: str = ""
    drift_event_id: str = ""
    minimum_sample_count: int = 0
    open_only: bool = False


class GroupReviewTransaction(Protocol):
    """The steps of one verdict on a group, in one transaction with those of `verdicts`."""

    @property
    def verdicts(self) -> DriftTransaction:
        """The steps of the verdicts on its samples."""

    def get_group(self, group_id: str) -> SampleGroup:
        """Raises NotFoundError, GROUP_NOT_FOUND."""

    def samples_to_judge(
        self, group_id: str, *, reviewer: str, excluded: Collection[str], limit: int
    ) -> Sequence[str]:
        """Ids of open samples, oldest first, of no resolved event and without a verdict of this reviewer."""

    def find_verdict(self, verdict_id: str) -> tuple[str, Verdict, GroupOutcome] | None:
        """Returns the group that a verdict was given on, the verdict without a sample, and what it led to."""

    def add_verdict(self, group_id: str, verdict: Verdict, outcome: GroupOutcome) -> bool:
        """Keeps a verdict; False when the id was taken at this very moment."""


class SampleGroupStore(Protocol):
    """Groups of look-alikes, kept durably. Every method outside `transaction` is one of its own."""

    def ungrouped(self, *, limit: int) -> Sequence[Sample]:
        """Returns samples of one feature space that have no group yet, in the order of their ids."""

    def get_space(self, feature_space: str, *, dimension_count: int) -> GroupSpace:
        """Returns what its vectors are compared by; nothing grouped yet when it is new."""

    def newest_centres(self, feature_space: str, *, limit: int) -> Sequence[GroupCentre]:
        """Returns the groups that a sample joined last."""

    def get_samples(self, sample_ids: Collection[str]) -> Mapping[str, Sample]:
        """Returns the samples that exist."""

    def representative_ids(self, group_ids: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Returns the samples that show each group."""

    def take_step(self, step: GroupingStep, *, now: datetime) -> bool:
        """Stores a step; False, and nothing stored, when another was stored since its space was read."""

    def get_group(self, group_id: str) -> SampleGroup:
        """Raises NotFoundError, GROUP_NOT_FOUND."""

    def list_groups(
        self, wanted: GroupFilter, *, after: GroupKey | None, limit: int
    ) -> Sequence[SampleGroup]:
        """Those with most open samples first; the key is `(open_sample_count, group_id)`."""

    def open_counts(self, drift_event_id: str) -> Sequence[int]:
        """Returns the open samples that an event has in each of its groups, where it has some; largest first."""

    def transaction(self) -> AbstractContextManager[GroupReviewTransaction]:
        """Commits when the block ends, takes everything back when it raises."""


def group_not_found(group_id: str) -> NotFoundError:
    return NotFoundError("GROUP_NOT_FOUND", f"group {group_id} is not known", metadata={"group_id": group_id})

"""Queue, policy, labels, audit trail and groups in memory, with the contract's refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tinyboard.client.calls import MAX_ROWS, HubError
from tinyboard.views.records import SampleView, VerdictView
from tinyboard.views.reviewing_records import (
    AgreementView,
    AuditView,
    GivenView,
    GroupOutcomeView,
    GroupVerdictView,
    GroupView,
    HandView,
    LabelView,
    LeaseView,
    ReviewSettingsView,
)

if TYPE_CHECKING:
    from tests.fakes.hub import FakeHub

STARTING_SETTINGS = ReviewSettingsView(
    revision=0,
    policy="ONE",
    required_count=1,
    reviewer_count=1,
    adjudicators=(),
    blind=True,
    lease_s=600,
    order="VALUE",
    reviewer="server",
    update_time=None,
)
NO_AGREEMENT = AgreementView(sample_count=0, unanimous_count=0, fleiss_kappa=None, pairs=())


class FakeReviewing:
    """The queue over the samples of a `FakeHub`.

    Attributes:
        held: Who holds which sample until when; tests take samples away by it.
        catalogue: The labels by name.
        records: The audit trail, oldest first.
        measured: The agreement that is told.
        disputed: Samples that reviewers disagree on.
    """

    def __init__(self, hub: FakeHub) -> None:
        self._hub = hub
        self.held: dict[str, tuple[str, datetime]] = {}
        self.catalogue: dict[str, LabelView] = {}
        self.records: list[AuditView] = []
        self.measured = NO_AGREEMENT
        self.disputed: list[SampleView] = []
        self.kept = STARTING_SETTINGS
        self._skipped: dict[str, set[str]] = {}

    def lease(
        self, reviewer: str, count: int, *, order: str = "", device_id: str = "", drift_event_id: str = ""
    ) -> HandView:
        self._hub.ask("lease")
        now = datetime.now(UTC)
        skipped = self._skipped.get(reviewer, set())
        waiting = [
            sample
            for sample in self._hub.sample_by_id.values()
            if not sample.judged
            and device_id in ("", sample.device_id)
            and drift_event_id in ("", sample.drift_event_id)
            and not self._hub.closed(sample.drift_event_id)
        ]
        free = [
            sample
            for sample in waiting
            if self._free(sample.sample_id, reviewer, now) and reviewer not in self.opinions(sample.sample_id)
        ]
        if (order or self.kept.order) == "DISTANCE":
            free.sort(key=lambda sample: -sample.distance_score)
        free.sort(key=lambda sample: (not self._own(sample.sample_id, reviewer), sample.sample_id in skipped))
        taken = free[: count or 1]
        until = now + timedelta(seconds=self.kept.lease_s)
        self.held |= {sample.sample_id: (reviewer, until) for sample in taken}
        return HandView(
            leases=tuple(LeaseView(sample=sample, expire_time=until) for sample in taken),
            open_sample_count=len(waiting),
        )

    def release(self, reviewer: str, sample_ids: Sequence[str], *, skip: bool) -> None:
        self._hub.ask("release")
        skipped = self._skipped.setdefault(reviewer, set())
        for sample_id in sample_ids:
            (skipped.add if skip else skipped.discard)(sample_id)
            if self._own(sample_id, reviewer):
                del self.held[sample_id]

    def given(self, sample_id: str, reviewer: str) -> tuple[GivenView, ...]:
        self._hub.ask("given")
        judged = self._hub.sample_by_id[sample_id].judged
        return tuple(
            GivenView(
                sample_id=sample_id,
                reviewer=one.reviewer,
                decision=one.decision,
                label=one.label,
                submit_time=None,
            )
            for one in self._hub.taken
            if one.sample_id == sample_id and (judged or not self.kept.blind or one.reviewer == reviewer)
        )

    def settings(self) -> ReviewSettingsView:
        self._hub.ask("settings")
        return self.kept

    def change_settings(self, wanted: ReviewSettingsView) -> ReviewSettingsView:
        self._hub.ask("change_settings")
        if wanted.revision != self.kept.revision:
            raise HubError("REVIEW_SETTINGS_CHANGED", "the settings changed since; read them again")
        if wanted.policy == "ADJUDICATOR" and not wanted.adjudicators:
            raise HubError("INVALID_FIELD", "adjudicators: at least one is needed")
        self.kept = replace(wanted, revision=wanted.revision + 1)
        return self.kept

    def labels(self) -> tuple[LabelView, ...]:
        self._hub.ask("labels")
        return tuple(self.catalogue[name] for name in sorted(self.catalogue))

    def add_label(self, name: str, *, reviewer: str) -> LabelView:
        self._hub.ask("add_label")
        fresh = LabelView(name=name, aliases=(), sample_count=0, creator=reviewer, create_time=None)
        return self.catalogue.setdefault(name, fresh)

    def rename_label(self, name: str, new_name: str, *, reviewer: str) -> int:
        self._hub.ask("rename_label")
        if name not in self.catalogue:
            raise HubError("LABEL_NOT_FOUND", f"there is no label {name}")
        old = self.catalogue.pop(name)
        target = self.catalogue.get(new_name, replace(old, name=new_name, aliases=(), sample_count=0))
        self.catalogue[new_name] = replace(
            target,
            aliases=(*target.aliases, *old.aliases, name),
            sample_count=target.sample_count + old.sample_count,
        )
        return old.sample_count

    def disagreements(self, *, limit: int = MAX_ROWS) -> tuple[SampleView, ...]:
        self._hub.ask("disagreements")
        return tuple(self.disputed[:limit])

    def agreement(self) -> AgreementView:
        self._hub.ask("agreement")
        return self.measured

    def audit(self, *, subject: str = "", limit: int = MAX_ROWS) -> tuple[AuditView, ...]:
        self._hub.ask("audit")
        return tuple([one for one in reversed(self.records) if subject in ("", one.subject)][:limit])

    def opinions(self, sample_id: str) -> dict[str, tuple[str, str]]:
        """The newest verdict of each reviewer on a sample, without those taken back."""
        newest = {
            one.reviewer: (one.decision, one.label) for one in self._hub.taken if one.sample_id == sample_id
        }
        return {reviewer: said for reviewer, said in newest.items() if said[0] != "WITHDRAWN"}

    def decides(self, sample: SampleView, verdict: VerdictView) -> bool:
        """Whether as many reviewers say the same as the policy asks."""
        said = list(self.opinions(sample.sample_id).values()).count((verdict.decision, verdict.label))
        return verdict.decision != "CANNOT_TELL" and said >= self.kept.required_count

    def forget(self, sample_id: str) -> None:
        """Ends the lease of a sample that was judged."""
        self.held.pop(sample_id, None)

    def _own(self, sample_id: str, reviewer: str) -> bool:
        return self.held.get(sample_id, ("", None))[0] == reviewer

    def _free(self, sample_id: str, reviewer: str, now: datetime) -> bool:
        holder, until = self.held.get(sample_id, ("", now))
        return holder in ("", reviewer) or until <= now


class FakeGroups:
    """Groups over the samples of a `FakeHub`, which name theirs."""

    def __init__(self, hub: FakeHub) -> None:
        self._hub = hub
        self.known: dict[str, GroupView] = {}

    def listed(
        self, *, drift_event_id: str = "", open_only: bool = False, minimum_count: int = 0, limit: int = 100
    ) -> tuple[GroupView, ...]:
        self._hub.ask("groups")
        groups = [
            self._counted(group_id)
            for group_id in self.known
            if not drift_event_id or any(one.drift_event_id == drift_event_id for one in self._of(group_id))
        ]
        wanted = [
            group
            for group in groups
            if group.sample_count >= minimum_count and (group.open_sample_count or not open_only)
        ]
        return tuple(sorted(wanted, key=lambda group: -group.open_sample_count)[:limit])

    def one(self, group_id: str) -> GroupView:
        self._hub.ask("group")
        if group_id not in self.known:
            raise HubError("GROUP_NOT_FOUND", f"there is no group {group_id}")
        return self._counted(group_id)

    def judge(self, verdict: GroupVerdictView) -> GroupOutcomeView:
        self._hub.ask("judge_group")
        if verdict.revision != self.known[verdict.group_id].revision:
            raise HubError("GROUP_CHANGED", "samples came or were judged since; look again")
        members = [
            one
            for one in self._of(verdict.group_id)
            if not one.judged and one.sample_id not in verdict.excluded_sample_ids
        ]
        self._hub.judge(
            [
                VerdictView(
                    sample_id=one.sample_id,
                    reviewer=verdict.reviewer,
                    decision=verdict.decision,
                    label=verdict.label,
                )
                for one in members
            ]
        )
        self.change(verdict.group_id)
        return GroupOutcomeView(
            group=self._counted(verdict.group_id),
            verdict_count=len(members),
            judged_sample_count=len(members),
            device_count=len({one.device_id for one in members}),
        )

    def change(self, group_id: str) -> None:
        """Plays a change of the group by somebody else."""
        self.known[group_id] = replace(self.known[group_id], revision=self.known[group_id].revision + 1)

    def _of(self, group_id: str) -> list[SampleView]:
        return [one for one in self._hub.sample_by_id.values() if one.group_id == group_id]

    def _counted(self, group_id: str) -> GroupView:
        members = self._of(group_id)
        return replace(
            self.known[group_id],
            sample_count=len(members),
            open_sample_count=sum(not one.judged for one in members),
            device_count=len({one.device_id for one in members}),
            device_ids=tuple(sorted({one.device_id for one in members})),
        )

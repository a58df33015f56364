"""One verdict on a whole group: the same verdict on each of its open samples, through the one way verdicts take."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from uuid import UUID, uuid5

from tinysphere.domain.drift import Sample, SampleState, Verdict
from tinysphere.domain.sample_groups import GroupOutcome, SampleGroup
from tinysphere.drift.review import Review
from tinysphere.errors import ConflictError, SupersededError
from tinysphere.storage.ports.sample_groups import GroupReviewTransaction, SampleGroupStore

PART_SIZE = 500


class GroupReview:
    """Judges groups; may be repeated.

    Args:
        store: Where groups are kept.
        review: Takes the verdicts on the samples.
        feedback_made: Called after a commit that may have made feedback.
    """

    def __init__(self, store: SampleGroupStore, review: Review, feedback_made: Callable[[], None]) -> None:
        self._store = store
        self._review = review
        self._feedback_made = feedback_made

    def submit(
        self, group_id: str, verdict: Verdict, *, revision: int, excluded: Collection[str]
    ) -> tuple[SampleGroup, GroupOutcome]:
        """Gives a verdict on at most `PART_SIZE` open samples, but for those excluded.

        Args:
            group_id: Group judged.
            verdict: The judgement; its sample does not matter.
            revision: Of the group as the reviewer saw it.
            excluded: Samples that stay as they are.

        Returns:
            The group afterwards, and what the verdict led to, now or when it was given first.

        Raises:
            NotFoundError: GROUP_NOT_FOUND.
            SupersededError: GROUP_CHANGED, somebody was faster.
            ConflictError: VERDICT_CONFLICT, the id was used for another judgement.
            PreconditionError: DRIFT_EVENT_CLOSED, at this very moment.
        """
        verdict = replace(verdict, sample_id="", group_id="")
        with self._store.transaction() as transaction:
            outcome = _repeated(group_id, verdict, transaction)
            if outcome is None:
                outcome = self._judge(group_id, verdict, revision, excluded, transaction)
            group = transaction.get_group(group_id)
        self._feedback_made()
        return group, outcome

    def _judge(
        self,
        group_id: str,
        verdict: Verdict,
        revision: int,
        excluded: Collection[str],
        transaction: GroupReviewTransaction,
    ) -> GroupOutcome:
        sample_ids = transaction.samples_to_judge(
            group_id, reviewer=verdict.reviewer, excluded=excluded, limit=PART_SIZE
        )
        transaction.verdicts.settings.share()  # before every other lock
        # Whoever changes these samples from now on waits for us, so the revision holds for them.
        transaction.verdicts.lock_samples(sample_ids)
        _refuse_changed(transaction.get_group(group_id), revision)
        samples = self._review.take(
            [verdict_on(sample_id, group_id, verdict) for sample_id in sample_ids], transaction.verdicts
        )
        outcome = _outcome_of(samples)
        if not transaction.add_verdict(group_id, verdict, outcome):
            raise _conflict(verdict)
        return outcome


def verdict_on(sample_id: str, group_id: str, verdict: Verdict) -> Verdict:
    """The verdict on one sample of a group; its id follows from both."""
    verdict_id = str(uuid5(UUID(verdict.verdict_id), sample_id))
    return replace(verdict, verdict_id=verdict_id, sample_id=sample_id, group_id=group_id)


def _repeated(group_id: str, verdict: Verdict, transaction: GroupReviewTransaction) -> GroupOutcome | None:
    """What a verdict led to when it came first; None for a new one."""
    found = transaction.find_verdict(verdict.verdict_id)
    if found is None:
        return None
    known_group_id, known, outcome = found
    if known_group_id != group_id or not verdict.says_the_same_as(known):
        raise _conflict(verdict)
    return outcome


def _refuse_changed(group: SampleGroup, revision: int) -> None:
    if group.revision != revision:
        raise SupersededError(
            "GROUP_CHANGED",
            f"group {group.group_id} has revision {group.revision} now, not {revision}; look again",
            metadata={"revision": str(group.revision)},
        )


def _outcome_of(samples: Sequence[Sample]) -> GroupOutcome:
    judged = [sample for sample in samples if sample.state is SampleState.JUDGED]
    return GroupOutcome(
        verdict_count=len(samples),
        judged_sample_count=len(judged),
        device_count=len({sample.device_id for sample in judged}),
    )


def _conflict(verdict: Verdict) -> ConflictError:
    return ConflictError(
        "VERDICT_CONFLICT",
        f"verdict {verdict.verdict_id} was another judgement; make a new id",
        metadata={"verdict_id": verdict.verdict_id},
    )

"""Takes what people say: verdicts on samples, and decisions about whole events."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.clock import Clock
from tinysphere.domain.drift import Decision, DriftEvent, JudgementChange, Sample, Verdict
from tinysphere.drift import lifecycle
from tinysphere.drift.judging import Step, carry_out
from tinysphere.drift.naming import name_all, named
from tinysphere.drift.weighing import Said, Weighing
from tinysphere.errors import ConflictError
from tinysphere.storage.ports.drift import (
    DriftStore,
    DriftTransaction,
    event_not_found,
    sample_not_found,
)


class Review:
    """Each method but `take` is one transaction, and all may be repeated.

    Args:
        store: Where everything is kept.
        clock: Tells the time.
        new_id: Makes the ids of feedback items.
        feedback_made: Called after a commit that may have made feedback, to have it announced soon.
    """

    def __init__(
        self,
        store: DriftStore,
        clock: Clock,
        new_id: Callable[[], str],
        feedback_made: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._feedback_made = feedback_made

    def submit(self, verdicts: Sequence[Verdict]) -> Sequence[Sample]:
        """Appends verdicts; what they change of judgements becomes feedback.

        Returns:
            The samples afterwards, in the order of the verdicts.

        Raises:
            NotFoundError: SAMPLE_NOT_FOUND.
            PreconditionError: DRIFT_EVENT_CLOSED, SAMPLE_JUDGED or NOTHING_TO_WITHDRAW.
            ConflictError: VERDICT_CONFLICT, an id was used for another judgement.
        """
        with self._store.transaction() as transaction:
            samples = self.take(verdicts, transaction)
        self._feedback_made()
        return samples

    def take(self, verdicts: Sequence[Verdict], transaction: DriftTransaction) -> Sequence[Sample]:
        """As `submit`, as part of a transaction that the caller ends; feedback is not announced yet."""
        now = self._clock.now()
        settings = transaction.settings.share()
        samples = _lock_samples(verdicts, transaction)
        known = transaction.get_verdicts({verdict.verdict_id for verdict in verdicts})
        fresh = [verdict for verdict in verdicts if verdict.verdict_id not in known]
        earlier = transaction.verdicts_on({verdict.sample_id for verdict in fresh})
        others = [*verdicts, *known.values(), *(entry for given in earlier.values() for entry in given)]
        mentioned = {verdict.label for verdict in others} | {
            sample.predicted_label for sample in samples.values()
        }
        names = name_all(fresh, mentioned - {""}, now=now, transaction=transaction)
        new = _new_verdicts(verdicts, known, names)
        if not new:
            return [samples[verdict.sample_id] for verdict in verdicts]
        concerned = {verdict.sample_id: samples[verdict.sample_id] for verdict in new}
        events = transaction.lock_events(_event_ids(concerned.values()))
        weighing = Weighing(settings, concerned, events, earlier, names)
        said = weighing.take_all(new)
        self._store_all(said, concerned, weighing, now, transaction)
        return [weighing.samples.get(verdict.sample_id, samples[verdict.sample_id]) for verdict in verdicts]

    def resolve(self, drift_event_id: str, *, reviewer: str, reason: str) -> DriftEvent:
        """Closes an event by hand. Raises NotFoundError, DRIFT_EVENT_NOT_FOUND."""
        return self._change_by_hand(lifecycle.resolve, drift_event_id, reviewer, reason)

    def reopen(self, drift_event_id: str, *, reviewer: str, reason: str) -> DriftEvent:
        """Opens a resolved event again. Raises NotFoundError, DRIFT_EVENT_NOT_FOUND."""
        return self._change_by_hand(lifecycle.reopen, drift_event_id, reviewer, reason)

    def _store_all(
        self,
        said: Sequence[Said],
        before: Mapping[str, Sample],
        weighing: Weighing,
        now: datetime,
        transaction: DriftTransaction,
    ) -> None:
        """Stores new verdicts and what follows from them."""
        event_ids = {sample_id: sample.drift_event_id for sample_id, sample in before.items()}
        verdicts = [entry.verdict for entry in said]
        transaction.add_verdicts(verdicts, event_ids)
        transaction.audit.add([_audited(entry, now) for entry in said])
        first = {event_ids[verdict.sample_id]: verdict.reviewer for verdict in reversed(verdicts)}
        step = Step(
            changes=_changes(before, weighing.samples),
            actors=first | weighing.undone,
            verdict_counts=Counter(event_ids[verdict.sample_id] for verdict in verdicts),
            undone=frozenset(weighing.undone),
        )
        carry_out(step, new_id=self._new_id, now=now, transaction=transaction)
        transaction.queue.end_leases(verdicts)

    def _change_by_hand(
        self, change: "ChangeByHand", drift_event_id: str, reviewer: str, reason: str
    ) -> DriftEvent:
        with self._store.transaction() as transaction:
            event = transaction.lock_events({drift_event_id}).get(drift_event_id)
            if event is None:
                raise event_not_found(drift_event_id)
            moved, transitions = change(event, reviewer=reviewer, reason=reason, now=self._clock.now())
            if transitions:
                transaction.set_state(moved, transitions)
                transaction.queue.refresh_event(drift_event_id, now=transitions[-1].change_time)
        return moved


ChangeByHand = Callable[..., lifecycle.Moved]


def _lock_samples(verdicts: Sequence[Verdict], transaction: DriftTransaction) -> Mapping[str, Sample]:
    samples = transaction.lock_samples({verdict.sample_id for verdict in verdicts})
    for verdict in verdicts:
        if verdict.sample_id not in samples:
            raise sample_not_found(verdict.sample_id)
    return samples


def _new_verdicts(
    verdicts: Iterable[Verdict], known: Mapping[str, Verdict], names: Mapping[str, str]
) -> Sequence[Verdict]:
    """Leaves out the verdicts that were taken before, or stand in the request twice."""
    taken = {key: named(verdict, names) for key, verdict in known.items()}
    new = []
    for verdict in (named(entry, names) for entry in verdicts):
        earlier = taken.setdefault(verdict.verdict_id, verdict)
        if earlier is verdict:
            new.append(verdict)
        elif not verdict.says_the_same_as(earlier):
            raise ConflictError(
                "VERDICT_CONFLICT",
                f"verdict {verdict.verdict_id} was another judgement; make a new id",
                metadata={"verdict_id": verdict.verdict_id},
            )
    return new


def _changes(before: Mapping[str, Sample], after: Mapping[str, Sample]) -> Sequence[JudgementChange]:
    return [
        JudgementChange(
            sample_id=sample_id,
            device_id=sample.device_id,
            drift_event_id=sample.drift_event_id,
            before=sample.judgement,
            after=after[sample_id].judgement,
            disagree_time=after[sample_id].disagree_time,
        )
        for sample_id, sample in before.items()
        if after[sample_id] != sample
    ]


def _audited(said: Said, now: datetime) -> AuditRecord:
    """Told by what the reviewer's verdict on the sample was and is."""
    verdict = said.verdict
    withdrawn = verdict.decision is Decision.WITHDRAWN
    return AuditRecord(
        audit_time=now,
        actor=verdict.reviewer,
        action="verdict.withdraw" if withdrawn else "verdict.submit",
        subject=verdict.sample_id,
        from_value=_told(said.before) if said.before else "",
        to_value="" if withdrawn else _told(verdict),
        reason=verdict.note,
        detail={"verdict_id": verdict.verdict_id, "group_id": verdict.group_id},
    )


def _told(verdict: Verdict) -> str:
    return f"{verdict.decision.value} {verdict.label}".rstrip()


def _event_ids(samples: Iterable[Sample]) -> frozenset[str]:
    return frozenset(sample.drift_event_id for sample in samples if sample.drift_event_id)

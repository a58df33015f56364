"""Takes verdicts inside a transaction: what is new of them, what it changes, and what is written down of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.drift import Decision, JudgementChange, Sample, Verdict
from tinysphere.drift.judging import Step, carry_out
from tinysphere.drift.naming import name_all, named
from tinysphere.drift.weighing import Said, Weighing
from tinysphere.errors import ConflictError
from tinysphere.storage.ports.drift import DriftTransaction, sample_not_found

Earlier = Mapping[str, Sequence[Verdict]]
"""Verdicts by sample id, in the order they were given."""


def take(
    verdicts: Sequence[Verdict],
    transaction: DriftTransaction,
    *,
    new_id: Callable[[], str],
    now: datetime,
) -> Sequence[Sample]:
    """See `tinysphere.drift.review.Review.submit`.

    Args:
        verdicts: Those of one request.
        transaction: What it is part of; nothing is locked yet.
        new_id: Makes the ids of feedback items.
        now: The time of what changes.
    """
    settings = transaction.settings.share()
    samples = _lock_samples(verdicts, transaction)
    known = transaction.get_verdicts({verdict.verdict_id for verdict in verdicts})
    fresh = [verdict for verdict in verdicts if verdict.verdict_id not in known]
    earlier = transaction.verdicts_on({verdict.sample_id for verdict in fresh})
    mentioned = _mentioned([*verdicts, *known.values()], earlier, samples.values())
    names = name_all(fresh, mentioned, now=now, transaction=transaction)
    new = _new_verdicts(verdicts, known, names)
    concerned = {verdict.sample_id: samples[verdict.sample_id] for verdict in new}
    events = transaction.lock_events(_event_ids(concerned.values()))
    weighing = Weighing(settings, concerned, events, earlier, names)
    said = weighing.take_all(new)
    if said:
        _store(said, concerned, weighing, new_id, now, transaction)
    return [weighing.samples.get(verdict.sample_id, samples[verdict.sample_id]) for verdict in verdicts]


def _store(
    said: Sequence[Said],
    before: Mapping[str, Sample],
    weighing: Weighing,
    new_id: Callable[[], str],
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
    carry_out(step, new_id=new_id, now=now, transaction=transaction)
    transaction.queue.end_leases(verdicts)


def _mentioned(verdicts: Iterable[Verdict], earlier: Earlier, samples: Iterable[Sample]) -> set[str]:
    """Every name that a verdict or a prediction uses."""
    spoken = {verdict.label for given in (verdicts, *earlier.values()) for verdict in given}
    return (spoken | {sample.predicted_label for sample in samples}) - {""}


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

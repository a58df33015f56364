"""Takes what people say: verdicts on samples, and decisions about whole events."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from tinysphere.domain.clock import Clock
from tinysphere.domain.drift import DriftEvent, DriftEventState, EventProgress, Judgement, Sample, Verdict
from tinysphere.drift import lifecycle
from tinysphere.drift.policy import VerdictPolicy
from tinysphere.drift.progress import add_progress
from tinysphere.errors import ConflictError, PreconditionError
from tinysphere.storage.ports.drift import (
    DriftStore,
    DriftTransaction,
    NewFeedback,
    event_not_found,
    sample_not_found,
)


class Review:
    """Each method is one transaction and may be repeated.

    Args:
        store: Where everything is kept.
        policy: Turns the verdicts on one sample into a judgement.
        clock: Tells the time.
        new_id: Makes the ids of feedback items.
        feedback_made: Called after a commit that made feedback, to have it announced soon.
    """

    def __init__(
        self,
        store: DriftStore,
        policy: VerdictPolicy,
        clock: Clock,
        new_id: Callable[[], str],
        feedback_made: Callable[[], None],
    ) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._new_id = new_id
        self._feedback_made = feedback_made

    def submit(self, verdicts: Sequence[Verdict]) -> Sequence[Sample]:
        """Appends verdicts; samples they decide are judged and become feedback.

        Returns:
            The samples afterwards, in the order of the verdicts.

        Raises:
            NotFoundError: SAMPLE_NOT_FOUND.
            PreconditionError: DRIFT_EVENT_CLOSED or SAMPLE_JUDGED.
            ConflictError: VERDICT_CONFLICT, an id was used for another judgement.
        """
        with self._store.transaction() as transaction:
            samples = self.take(verdicts, transaction)
        self._feedback_made()
        return samples

    def take(self, verdicts: Sequence[Verdict], transaction: DriftTransaction) -> Sequence[Sample]:
        """As `submit`, as part of a transaction that the caller ends; feedback is not announced yet."""
        samples = _lock_samples(verdicts, transaction)
        new = _new_verdicts(verdicts, transaction)
        judgements = self._append(new, samples, transaction) if new else {}
        judged = {
            sample_id: replace(samples[sample_id], judgement=judgement)
            for sample_id, judgement in judgements.items()
        }
        return [judged.get(verdict.sample_id, samples[verdict.sample_id]) for verdict in verdicts]

    def resolve(self, drift_event_id: str, *, reviewer: str, reason: str) -> DriftEvent:
        """Closes an event by hand. Raises NotFoundError, DRIFT_EVENT_NOT_FOUND."""
        return self._change_by_hand(lifecycle.resolve, drift_event_id, reviewer, reason)

    def reopen(self, drift_event_id: str, *, reviewer: str, reason: str) -> DriftEvent:
        """Opens a resolved event again. Raises NotFoundError, DRIFT_EVENT_NOT_FOUND."""
        return self._change_by_hand(lifecycle.reopen, drift_event_id, reviewer, reason)

    def _append(
        self, verdicts: Sequence[Verdict], samples: Mapping[str, Sample], transaction: DriftTransaction
    ) -> Mapping[str, Judgement]:
        """Stores new verdicts and what follows from them; returns the judgements they led to."""
        concerned = {verdict.sample_id: samples[verdict.sample_id] for verdict in verdicts}
        events = transaction.lock_events(_event_ids(concerned.values()))
        for sample in concerned.values():
            _refuse_closed(sample, events)
        judgements = self._judge(verdicts, concerned, transaction)
        transaction.add_verdicts(verdicts, {key: sample.drift_event_id for key, sample in concerned.items()})
        transaction.judge_samples(judgements)
        self._make_feedback(judgements, concerned, transaction)
        self._count(verdicts, judgements, concerned, transaction)
        transaction.queue.refresh_samples(concerned.keys(), now=self._clock.now())
        transaction.queue.end_leases(verdicts)
        return judgements

    def _judge(
        self, verdicts: Sequence[Verdict], samples: Mapping[str, Sample], transaction: DriftTransaction
    ) -> Mapping[str, Judgement]:
        """Asks the policy after each verdict; one that comes after the decision is refused."""
        earlier = transaction.verdicts_on(samples.keys())
        given = {sample_id: list(earlier.get(sample_id, ())) for sample_id in samples}
        judgements: dict[str, Judgement] = {}
        for verdict in verdicts:
            sample = samples[verdict.sample_id]
            if sample.judgement is not None or sample.sample_id in judgements:
                raise _already_judged(sample)
            given[sample.sample_id].append(verdict)
            judgement = self._policy(sample, given[sample.sample_id])
            if judgement is not None:
                judgements[sample.sample_id] = judgement
        return judgements

    def _make_feedback(
        self,
        judgements: Mapping[str, Judgement],
        samples: Mapping[str, Sample],
        transaction: DriftTransaction,
    ) -> None:
        items = [
            NewFeedback(feedback_id=self._new_id(), sample=samples[sample_id], judgement=judgement)
            for sample_id, judgement in judgements.items()
        ]
        transaction.add_feedback(items, now=self._clock.now())

    def _count(
        self,
        verdicts: Sequence[Verdict],
        judgements: Mapping[str, Judgement],
        samples: Mapping[str, Sample],
        transaction: DriftTransaction,
    ) -> None:
        """Counts verdicts and judgements at their events; the first verdict's reviewer moves an event."""
        add_progress(
            _increments(verdicts, judgements, samples),
            actors={samples[entry.sample_id].drift_event_id: entry.reviewer for entry in reversed(verdicts)},
            now=self._clock.now(),
            transaction=transaction,
        )

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


def _new_verdicts(verdicts: Sequence[Verdict], transaction: DriftTransaction) -> Sequence[Verdict]:
    """Leaves out the verdicts that were taken before, or stand in the request twice."""
    known = dict(transaction.get_verdicts({verdict.verdict_id for verdict in verdicts}))
    new = []
    for verdict in verdicts:
        earlier = known.setdefault(verdict.verdict_id, verdict)
        if earlier is verdict:
            new.append(verdict)
        elif not verdict.says_the_same_as(earlier):
            raise ConflictError(
                "VERDICT_CONFLICT",
                f"verdict {verdict.verdict_id} was another judgement; make a new id",
                metadata={"verdict_id": verdict.verdict_id},
            )
    return new


def _refuse_closed(sample: Sample, events: Mapping[str, DriftEvent]) -> None:
    event = events.get(sample.drift_event_id)
    if event is not None and event.state is DriftEventState.RESOLVED:
        raise PreconditionError(
            "DRIFT_EVENT_CLOSED",
            f"drift event {event.drift_event_id} of sample {sample.sample_id} is resolved; reopen it first",
            metadata={"drift_event_id": event.drift_event_id, "sample_id": sample.sample_id},
        )


def _already_judged(sample: Sample) -> PreconditionError:
    return PreconditionError(
        "SAMPLE_JUDGED",
        f"sample {sample.sample_id} is judged already; read it again",
        metadata={"sample_id": sample.sample_id},
    )


def _event_ids(samples: Iterable[Sample]) -> frozenset[str]:
    return frozenset(sample.drift_event_id for sample in samples if sample.drift_event_id)


def _increments(
    verdicts: Sequence[Verdict], judgements: Mapping[str, Judgement], samples: Mapping[str, Sample]
) -> Mapping[str, EventProgress]:
    """What these verdicts add to the progress of each event."""
    given = Counter(samples[verdict.sample_id].drift_event_id for verdict in verdicts)
    judged = Counter(samples[sample_id].drift_event_id for sample_id in judgements)
    return {
        event_id: EventProgress(
            verdict_count=count, judged_sample_count=judged[event_id], feedback_count=judged[event_id]
        )
        for event_id, count in given.items()
        if event_id
    }

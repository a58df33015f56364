"""Takes what people say: verdicts on samples, and decisions about whole events."""

from collections.abc import Callable, Sequence

from tinysphere.domain.clock import Clock
from tinysphere.domain.drift import DriftEvent, Sample, Verdict
from tinysphere.drift import lifecycle
from tinysphere.drift.taking import take
from tinysphere.storage.ports.drift import DriftStore, DriftTransaction, event_not_found


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
        return take(verdicts, transaction, new_id=self._new_id, now=self._clock.now())

    def resolve(self, drift_event_id: str, *, reviewer: str, reason: str) -> DriftEvent:
        """Closes an event by hand. Raises NotFoundError, DRIFT_EVENT_NOT_FOUND."""
        return self._change_by_hand(lifecycle.resolve, drift_event_id, reviewer, reason)

    def reopen(self, drift_event_id: str, *, reviewer: str, reason: str) -> DriftEvent:
        """Opens a resolved event again. Raises NotFoundError, DRIFT_EVENT_NOT_FOUND."""
        return self._change_by_hand(lifecycle.reopen, drift_event_id, reviewer, reason)

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

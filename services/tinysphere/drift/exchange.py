"""Hands feedback to devices and takes their answers: at least once on the wire, exactly once in effect."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tinysphere.domain.clock import Clock
from tinysphere.domain.drift import EventProgress
from tinysphere.domain.feedback import Acknowledgement, FeedbackItem
from tinysphere.drift.progress import add_progress
from tinysphere.errors import NotFoundError
from tinysphere.storage.ports.backlogs import BacklogStore
from tinysphere.storage.ports.drift import DriftStore, DriftTransaction


class FeedbackExchange:
    """Fetching changes nothing; a final answer is kept for good."""

    def __init__(self, store: DriftStore, backlogs: BacklogStore, clock: Clock) -> None:
        self._store = store
        self._backlogs = backlogs
        self._clock = clock

    def fetch(
        self, device_id: str, *, after_sequence: int, limit: int
    ) -> tuple[Sequence[FeedbackItem], bool]:
        """Returns at most `limit` items that are not done, in ascending sequence, and whether more follow."""
        self._backlogs.note_contact(device_id, now=self._clock.now())
        items = self._store.fetch_feedback(device_id, after_sequence=after_sequence, limit=limit + 1)
        return items[:limit], len(items) > limit

    def acknowledge(self, device_id: str, answers: Sequence[Acknowledgement]) -> Sequence[FeedbackItem]:
        """Stores answers, all or none; an item that is done keeps its first final answer.

        Returns:
            The items as stored, in the order of the answers.

        Raises:
            NotFoundError: FEEDBACK_NOT_FOUND, no such item for this device.
        """
        with self._store.transaction() as transaction:
            found = transaction.lock_feedback(device_id, {answer.feedback_id for answer in answers})
            items = dict(found)
            newest: dict[str, Acknowledgement] = {}
            for answer in answers:
                item = _known(items, answer.feedback_id, device_id)
                if not item.done:
                    newest[answer.feedback_id] = answer
                    items[answer.feedback_id] = replace(item, acknowledgement=answer)
            transaction.set_acknowledgements(list(newest.values()))
            finished = [items[feedback_id] for feedback_id in newest if items[feedback_id].done]
            self._advance_events(device_id, finished, transaction)
            _count(device_id, found, newest, transaction)
        return [items[answer.feedback_id] for answer in answers]

    def _advance_events(
        self, device_id: str, finished: Sequence[FeedbackItem], transaction: DriftTransaction
    ) -> None:
        """Counts finished items at their events and resolves those that are done with it."""
        counts = Counter(item.drift_event_id for item in finished if item.drift_event_id)
        add_progress(
            {key: EventProgress(acknowledged_feedback_count=count) for key, count in counts.items()},
            actors=dict.fromkeys(counts, device_id),
            now=self._clock.now(),
            transaction=transaction,
        )


def _count(
    device_id: str,
    before: Mapping[str, FeedbackItem],
    newest: Mapping[str, Acknowledgement],
    transaction: DriftTransaction,
) -> None:
    """Counts the answers of a device, by feedback id, to items that were not done before."""
    if not newest:
        return
    backlog = transaction.backlogs.lock(device_id)
    for feedback_id, answer in newest.items():
        backlog = backlog.answered(before[feedback_id].acknowledgement, answer)
    transaction.backlogs.put(backlog)


def _known(items: dict[str, FeedbackItem], feedback_id: str, device_id: str) -> FeedbackItem:
    if feedback_id not in items:
        raise NotFoundError(
            "FEEDBACK_NOT_FOUND",
            f"device {device_id} has no feedback item {feedback_id}",
            metadata={"feedback_id": feedback_id},
        )
    return items[feedback_id]

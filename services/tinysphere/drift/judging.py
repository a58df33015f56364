"""What follows when judgements change: samples, feedback, counts and the states of events, in one transaction."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tinysphere.domain.drift import Decision, EventProgress, Judgement, JudgementChange
from tinysphere.drift.progress import add_progress
from tinysphere.storage.ports.drift import DriftTransaction, NewFeedback

FORGET = Judgement(decision=Decision.UNUSABLE, label="")
"""What devices are told of a sample whose judgement was taken back: do not learn from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one call changes.

    Attributes:
        changes: Of samples; each sample once.
        verdict_counts: Verdicts given, by drift event id.
        actors: Whose doing it is, by the ids of all events concerned.
        undone: Events that have to open again, since somebody took back what they were resolved with.
    """

    changes: Sequence[JudgementChange]
    actors: Mapping[str, str]
    verdict_counts: Mapping[str, int] = field(default_factory=dict)
    undone: frozenset[str] = frozenset()


def carry_out(step: Step, *, new_id: Callable[[], str], now: datetime, transaction: DriftTransaction) -> bool:
    """Stores what changed and all that follows from it; the samples are locked.

    Returns:
        Whether devices are to be told of anything.
    """
    items = [
        NewFeedback(
            feedback_id=new_id(),
            device_id=change.device_id,
            sample_id=change.sample_id,
            drift_event_id=change.drift_event_id,
            judgement=judgement,
        )
        for change in step.changes
        if (judgement := news_of(change)) is not None
    ]
    transaction.set_judgements(step.changes)
    transaction.add_feedback(items, now=now)
    increments = _increments(step, items)
    add_progress(increments, actors=step.actors, undone=step.undone, now=now, transaction=transaction)
    transaction.labels.count(step.changes)
    transaction.backlogs.add_waiting(Counter(item.device_id for item in items), now=now)
    _queue(step, now, transaction)
    return bool(items)


def _queue(step: Step, now: datetime, transaction: DriftTransaction) -> None:
    """Samples that are judged leave the queue; those of an event that opened again come back."""
    moved = [change.sample_id for change in step.changes if (change.before is None) != (change.after is None)]
    transaction.queue.refresh_samples(moved, now=now)
    for drift_event_id in sorted(step.undone):
        transaction.queue.refresh_event(drift_event_id, now=now)


def news_of(change: JudgementChange) -> Judgement | None:
    """What the device has to hear; None when it knows.

    A judgement that was told stays with the device until another follows, so one that is taken back is followed by
    UNUSABLE, unless that is what it was.
    """
    told = change.before
    news = FORGET if told is not None and change.after is None else change.after
    return None if news == told else news


def _increments(step: Step, items: Sequence[NewFeedback]) -> Mapping[str, EventProgress]:
    """What is added to the progress of each event."""
    judged: Counter[str] = Counter()
    for change in step.changes:
        judged[change.drift_event_id] += (change.after is not None) - (change.before is not None)
    told = Counter(item.drift_event_id for item in items)
    event_ids = {*step.verdict_counts, *judged, *told} - {""}
    return {
        event_id: EventProgress(
            verdict_count=step.verdict_counts.get(event_id, 0),
            judged_sample_count=judged[event_id],
            feedback_count=told[event_id],
        )
        for event_id in event_ids
    }

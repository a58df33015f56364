"""Counts at drift events what became of their samples, and moves the events on."""

from collections.abc import Collection, Mapping
from datetime import datetime

from tinysphere.domain.drift import DriftEvent, EventProgress
from tinysphere.drift.lifecycle import advance, undo
from tinysphere.storage.ports.drift import DriftTransaction


def add_progress(
    increments: Mapping[str, EventProgress],
    *,
    actors: Mapping[str, str],
    now: datetime,
    transaction: DriftTransaction,
    undone: Collection[str] = (),
) -> None:
    """Adds to the progress of events and makes the changes of state that follow.

    Args:
        increments: What to add, by drift event id; the event itself may not be known yet.
        actors: Whose doing it is, by drift event id.
        now: The time of the changes.
        transaction: What they are part of; the events need not be locked.
        undone: Events in which a judgement was taken back.
    """
    transaction.lock_events(increments.keys())
    transaction.add_progress(increments)
    for drift_event_id, event in transaction.lock_events(increments.keys()).items():
        actor = actors[drift_event_id]
        if drift_event_id in undone:
            event, made = undo(event, actor=actor, now=now)
            if made:
                transaction.set_state(event, made)
        advance_event(event, actor=actor, now=now, transaction=transaction)


def advance_event(
    event: DriftEvent, *, actor: str, now: datetime, transaction: DriftTransaction
) -> DriftEvent:
    """Stores the changes of state that an event's facts ask for; returns the event as it stands then."""
    moved, transitions = advance(event, actor=actor, now=now)
    if transitions:
        transaction.set_state(moved, transitions)
    return moved

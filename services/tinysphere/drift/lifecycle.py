"""When a drift event changes its state. Pure: an event in, the event and its audit records out.

An event is OPEN until the first verdict, IN_REVIEW until it is done, then RESOLVED. It is done

- when every sample is judged and every feedback item finally acknowledged, or
- when it recovered and has no samples that anybody could judge, or
- when a person says so.

A recovery alone does not resolve an event with samples: its labels are worth having after the drift is over.
An event that was not resolved by a person opens again when more samples arrive. Any event does when a judgement is
taken back, since the sample may have to be judged anew.
"""

from dataclasses import replace
from datetime import datetime

from tinysphere.domain.drift import DriftEvent, DriftEventState, DriftEventTransition

SERVER_ACTOR = "server"

Moved = tuple[DriftEvent, tuple[DriftEventTransition, ...]]


def advance(event: DriftEvent, *, actor: str, now: datetime) -> Moved:
    """Makes every change that the event's facts ask for; call it when one of them changed."""
    transitions: tuple[DriftEventTransition, ...] = ()
    while (change := _next_change(event)) is not None:
        event, made = _move(event, change[0], actor=actor, reason=change[1], now=now)
        transitions += made
    return event, transitions


def resolve(event: DriftEvent, *, reviewer: str, reason: str, now: datetime) -> Moved:
    """Closes an event by hand; nothing changes when it is RESOLVED already."""
    if event.state is DriftEventState.RESOLVED:
        return event, ()
    return _move(event, DriftEventState.RESOLVED, actor=reviewer, reason=reason, now=now, by_hand=True)


def reopen(event: DriftEvent, *, reviewer: str, reason: str, now: datetime) -> Moved:
    """Opens a resolved event again; nothing changes when it is not RESOLVED."""
    if event.state is not DriftEventState.RESOLVED:
        return event, ()
    return _move(event, _unresolved_state(event), actor=reviewer, reason=reason, now=now)


def undo(event: DriftEvent, *, actor: str, now: datetime) -> Moved:
    """Opens an event again in which a judgement was taken back, also one that a person closed."""
    if event.state is not DriftEventState.RESOLVED:
        return event, ()
    return _move(event, _unresolved_state(event), actor=actor, reason="a judgement was taken back", now=now)


def _next_change(event: DriftEvent) -> tuple[DriftEventState, str] | None:
    progress = event.progress
    if event.state is DriftEventState.RESOLVED:
        if not event.closed_by_hand and progress.judged_sample_count < progress.sample_count:
            return _unresolved_state(event), "more samples arrived"
        return None
    if event.state is DriftEventState.OPEN and progress.verdict_count > 0:
        return DriftEventState.IN_REVIEW, "first verdict"
    if progress.complete:
        judged = f"all samples judged ({progress.sample_count})"
        return DriftEventState.RESOLVED, f"{judged} and all feedback acknowledged"
    if event.recovered and progress.sample_count == 0:
        return DriftEventState.RESOLVED, "recovered, and no samples to judge"
    return None


def _unresolved_state(event: DriftEvent) -> DriftEventState:
    return DriftEventState.IN_REVIEW if event.progress.verdict_count > 0 else DriftEventState.OPEN


def _move(
    event: DriftEvent,
    state: DriftEventState,
    *,
    actor: str,
    reason: str,
    now: datetime,
    by_hand: bool = False,
) -> Moved:
    resolution = f"{reason} (by {actor})" if state is DriftEventState.RESOLVED else ""
    transition = DriftEventTransition(
        from_state=event.state, to_state=state, actor=actor, reason=reason, change_time=now
    )
    return replace(event, state=state, resolution=resolution, closed_by_hand=by_hand), (transition,)

"""Decides in the background how far drifts reach, and again for those around when another joins them.

What is due stands in the store: an event that arrived, or whose samples were grouped. While the registry of devices is
away nothing is decided, and everything stays due.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tinysphere.domain.clock import Clock
from tinysphere.domain.devices import ModelReference
from tinysphere.domain.drift import DriftScope
from tinysphere.domain.scopes import ScopeDecision, ScopedEvent
from tinysphere.drift.scoping.alike import alike
from tinysphere.drift.scoping.fleet import Fleet
from tinysphere.drift.scoping.systemic import HISTORY, WINDOW, Reach, alarm_rate, decide
from tinysphere.jobs.periodic import Periodic
from tinysphere.storage.ports.scopes import AlarmSpan, ScopeStore

BATCH_SIZE = 200
POLL_INTERVAL_S = 5.0  # for what another process took in; our own wakes us
MOST_EVENTS = 1_024
"""Events of one window that are compared one by one; where there are more, the newest stand for all."""
UNKNOWN_RETRY = timedelta(minutes=5)
UNKNOWN = "No device is known to run this model version."


class ScopeDecider:
    """One thread; `wake` it when events came or their samples were grouped."""

    def __init__(self, store: ScopeStore, fleet: Fleet, clock: Clock) -> None:
        self._store = store
        self._fleet = fleet
        self._clock = clock
        self._thread = Periodic("drift-scopes", self._decide_all, interval_s=POLL_INTERVAL_S)

    def start(self) -> None:
        """Decides what is due, now and from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; what was not decided stays due."""
        self._thread.stop()

    def wake(self) -> None:
        """Has the thread look at once. Never blocks."""
        self._thread.wake()

    def decide_due(self) -> bool:
        """Decides some of what is due; returns whether there was any. Raises UnavailableError."""
        now = self._clock.now()
        due = self._store.due(now=now, limit=BATCH_SIZE)
        if not due:
            return False
        counts = self._fleet.running_counts()
        decisions: dict[str, ScopeDecision] = {}
        for part in _parts(due):
            device_count = counts.get(part[0].model.bundle_sha256, 0)
            made = self._decide(part, device_count) if device_count else _undecided(part, now)
            decisions |= {decision.drift_event_id: decision for decision in made}
        self._store.settle(list(decisions.values()))
        return True

    def _decide_all(self) -> None:
        while not self._thread.stopping and self.decide_due():
            pass

    def _decide(self, due: Sequence[ScopedEvent], device_count: int) -> Sequence[ScopeDecision]:
        """Decides these, and those around them whose figures they change."""
        moments = [event.detect_time for event in due]
        span = AlarmSpan(
            bundle_sha256=due[0].model.bundle_sha256,
            cause=due[0].cause,
            since=min(moments) - WINDOW,
            before=max(moments) + WINDOW,
        )
        known = {event.drift_event_id for event in due}
        near = self._store.newest(span, limit=MOST_EVENTS)
        events = [*due, *(event for event in near if event.drift_event_id not in known)]
        rate = self._rate(span, device_count)
        decisions = []
        for event, affected_count in zip(events, self._affected(events, span), strict=True):
            reach = Reach(
                model=_name_of(event.model),
                cause=event.cause,
                affected_count=affected_count,
                device_count=max(device_count, affected_count),
                alarm_rate=rate,
            )
            scope, reason = decide(reach)
            if event.due_time or (scope, reason) != (event.scope, event.scope_reason):
                decisions.append(_decision(event, scope, reason))
        return decisions

    def _affected(self, events: Sequence[ScopedEvent], span: AlarmSpan) -> Sequence[int]:
        """For each event, how many devices see the same shift within `WINDOW` of it."""
        devices, columns = np.unique([event.device_id for event in events], return_inverse=True)
        owners = np.zeros((len(events), len(devices)), dtype=np.float32)
        owners[np.arange(len(events)), columns] = 1
        linked = alike([event.groups for event in events]) & _near(events)
        counts = ((linked.astype(np.float32) @ owners) > 0).sum(axis=1)
        scale = 1.0
        if len(events) >= MOST_EVENTS:
            scale = max(self._store.count_devices(span) / len(devices), 1.0)
        return [round(int(count) * scale) for count in counts]

    def _rate(self, span: AlarmSpan, device_count: int) -> float:
        past = replace(span, since=span.since - HISTORY, before=span.since)
        history = self._store.history(past)
        length = past.before - history.first_time if history.first_time else timedelta()
        return alarm_rate(history.alarm_count, device_count, length)


def _parts(due: Sequence[ScopedEvent]) -> Sequence[Sequence[ScopedEvent]]:
    """Events of one model version and cause, each part no longer than `WINDOW`."""
    by_model: defaultdict[tuple[str, str], list[ScopedEvent]] = defaultdict(list)
    for event in due:
        by_model[event.model.bundle_sha256, event.cause.value if event.cause else ""].append(event)
    parts: list[list[ScopedEvent]] = []
    for events in by_model.values():
        start: datetime | None = None
        for event in sorted(events, key=lambda one: (one.detect_time, one.drift_event_id)):
            if start is None or event.detect_time > start + WINDOW:
                start = event.detect_time
                parts.append([])
            parts[-1].append(event)
    return parts


def _name_of(model: ModelReference) -> str:
    if not model.model_name:
        return f"bundle {model.bundle_sha256[:12]}"
    return f"{model.model_name} version {model.version}"


def _near(events: Sequence[ScopedEvent]) -> NDArray[np.bool_]:
    times_s = np.array([event.detect_time.timestamp() for event in events])
    return np.asarray(np.abs(times_s[:, None] - times_s) <= WINDOW.total_seconds())


def _undecided(events: Sequence[ScopedEvent], now: datetime) -> Sequence[ScopeDecision]:
    """Looked at again for as long as a device may still say that it runs this version."""
    return [
        replace(
            _decision(event, None, UNKNOWN),
            next_due_time=now + UNKNOWN_RETRY if abs(now - event.detect_time) < WINDOW else None,
        )
        for event in events
    ]


def _decision(event: ScopedEvent, scope: DriftScope | None, reason: str) -> ScopeDecision:
    return ScopeDecision(
        drift_event_id=event.drift_event_id, scope=scope, scope_reason=reason, due_time=event.due_time
    )

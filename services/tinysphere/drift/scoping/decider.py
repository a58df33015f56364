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
from tinysphere.domain.notifications import Notice
from tinysphere.domain.scopes import ScopeDecision, ScopedEvent
from tinysphere.drift.notices import found_systemic
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
        for part in _parts(due):
            device_count = counts.get(part[0].event.model.bundle_sha256, 0)
            if device_count:
                self._decide(part, device_count, now)
            else:
                self._store.settle(_undecided(part, now), notices=[])
        return True

    def _decide_all(self) -> None:
        while not self._thread.stopping and self.decide_due():
            pass

    def _decide(self, due: Sequence[ScopedEvent], device_count: int, now: datetime) -> None:
        """Decides these, and those around them whose figures they change."""
        events, affected_counts, rate = self._figures(due, device_count)
        decided = []
        for scoped, affected_count in zip(events, affected_counts, strict=True):
            reach = Reach(
                model=_name_of(scoped.event.model),
                cause=scoped.event.cause,
                affected_count=affected_count,
                device_count=max(device_count, affected_count),
                alarm_rate=rate,
            )
            scope, reason = decide(reach)
            if scoped.due_time or (scope, reason) != (scoped.event.scope, scoped.event.scope_reason):
                decided.append((scoped, _decision(scoped, scope, reason)))
        self._store.settle([decision for _, decision in decided], notices=_notices(decided, now))

    def _figures(
        self, due: Sequence[ScopedEvent], device_count: int
    ) -> tuple[Sequence[ScopedEvent], Sequence[int], float]:
        """The events due and those around them, how many devices each concerns, and the rate of such alarms."""
        moments = [scoped.event.detect_time for scoped in due]
        span = AlarmSpan(
            bundle_sha256=due[0].event.model.bundle_sha256,
            cause=due[0].event.cause,
            since=min(moments) - WINDOW,
            before=max(moments) + WINDOW,
        )
        known = {scoped.event.drift_event_id for scoped in due}
        near = self._store.newest(span, limit=MOST_EVENTS)
        events = [*due, *(scoped for scoped in near if scoped.event.drift_event_id not in known)]
        counts, listed_count = _affected(events)
        scale = 1.0
        if len(near) == MOST_EVENTS:
            scale = max(self._store.count_devices(span) / listed_count, 1.0)
        return events, [round(count * scale) for count in counts], self._rate(span, device_count)

    def _rate(self, span: AlarmSpan, device_count: int) -> float:
        past = replace(span, since=span.since - HISTORY, before=span.since)
        history = self._store.history(past)
        length = past.before - history.first_time if history.first_time else timedelta()
        return alarm_rate(history.alarm_count, device_count, length)


def _parts(due: Sequence[ScopedEvent]) -> Sequence[Sequence[ScopedEvent]]:
    """Events of one model version and cause, each part no longer than `WINDOW`."""
    by_model: defaultdict[tuple[str, str], list[ScopedEvent]] = defaultdict(list)
    for scoped in due:
        cause = scoped.event.cause
        by_model[scoped.event.model.bundle_sha256, cause.value if cause else ""].append(scoped)
    parts: list[list[ScopedEvent]] = []
    for alarms in by_model.values():
        start: datetime | None = None
        for scoped in sorted(alarms, key=lambda one: (one.event.detect_time, one.event.drift_event_id)):
            if start is None or scoped.event.detect_time > start + WINDOW:
                start = scoped.event.detect_time
                parts.append([])
            parts[-1].append(scoped)
    return parts


def _affected(events: Sequence[ScopedEvent]) -> tuple[Sequence[int], int]:
    """For each event, how many devices see the same shift within `WINDOW` of it; and how many devices there are."""
    devices, columns = np.unique([scoped.event.device_id for scoped in events], return_inverse=True)
    owners = np.zeros((len(events), len(devices)), dtype=np.float32)
    owners[np.arange(len(events)), columns] = 1
    linked = alike([scoped.groups for scoped in events]) & _near(events)
    counts = ((linked.astype(np.float32) @ owners) > 0).sum(axis=1)
    return counts.tolist(), len(devices)


def _near(events: Sequence[ScopedEvent]) -> NDArray[np.bool_]:
    times_s = np.array([scoped.event.detect_time.timestamp() for scoped in events])
    return np.asarray(np.abs(times_s[:, None] - times_s) <= WINDOW.total_seconds())


def _notices(decided: Sequence[tuple[ScopedEvent, ScopeDecision]], now: datetime) -> Sequence[Notice]:
    """Word of a drift that became systemic: one, however many events it is seen in."""
    return [
        found_systemic(scoped.event, reason=decision.scope_reason, now=now)
        for scoped, decision in decided
        if decision.scope is DriftScope.SYSTEMIC and scoped.event.scope is not DriftScope.SYSTEMIC
    ][:1]


def _name_of(model: ModelReference) -> str:
    if not model.model_name:
        return f"bundle {model.bundle_sha256[:12]}"
    return f"{model.model_name} version {model.version}"


def _undecided(events: Sequence[ScopedEvent], now: datetime) -> Sequence[ScopeDecision]:
    """Looked at again for as long as a device may still say that it runs this version."""
    return [
        replace(
            _decision(scoped, None, UNKNOWN),
            next_due_time=now + UNKNOWN_RETRY if abs(now - scoped.event.detect_time) < WINDOW else None,
        )
        for scoped in events
    ]


def _decision(scoped: ScopedEvent, scope: DriftScope | None, reason: str) -> ScopeDecision:
    return ScopeDecision(
        drift_event_id=scoped.event.drift_event_id,
        scope=scope,
        scope_reason=reason,
        due_time=scoped.due_time,
    )

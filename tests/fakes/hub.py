"""The Drift Hub's server in memory, behind the same port as the real one, with the contract's refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tinyboard.client.calls import MAX_ROWS, HubError
from tinyboard.views.records import (
    AdaptationView,
    DeviceView,
    EffectView,
    EventView,
    FeedbackView,
    LogView,
    PackageView,
    SampleView,
    SeriesView,
    TransitionView,
    VerdictView,
)


class FakeHub:
    """Holds views and changes them as the server would.

    Attributes:
        asked: Counts the calls by method.
        gone: Whether no call is answered.
        refused: What a change of mode, or a retry, is refused with.
    """

    def __init__(self) -> None:
        self.gone = False
        self.refused: HubError | None = None
        self.asked: Counter[str] = Counter()
        self.taken: list[VerdictView] = []
        self._devices: dict[str, DeviceView] = {}
        self._events: dict[str, EventView] = {}
        self._samples: dict[str, SampleView] = {}
        self._images: dict[str, bytes] = {}
        self._feedback: list[FeedbackView] = []
        self._adaptations: list[AdaptationView] = []
        self._packages: dict[str, PackageView] = {}
        self._series: dict[tuple[str, str], SeriesView] = {}
        self._logs: list[LogView] = []
        self._transitions: dict[str, list[TransitionView]] = {}

    def add(
        self,
        *,
        devices: Iterable[DeviceView] = (),
        events: Iterable[EventView] = (),
        samples: Iterable[SampleView] = (),
        images: Iterable[tuple[str, bytes]] = (),
        adaptations: Iterable[AdaptationView] = (),
        packages: Iterable[PackageView] = (),
        series: Iterable[tuple[str, SeriesView]] = (),
        logs: Iterable[LogView] = (),
    ) -> None:
        """Fills the server."""
        self._devices |= {device.device_id: device for device in devices}
        self._events |= {event.drift_event_id: event for event in events}
        self._samples |= {sample.sample_id: sample for sample in samples}
        self._images |= dict(images)
        self._adaptations += adaptations
        self._packages |= {package.package_id: package for package in packages}
        self._series |= {(device_id, one.name): one for device_id, one in series}
        self._logs += logs

    def acknowledge(self, outcome: str, *, reason: str = "", effect: EffectView | None = None) -> None:
        """Plays the device: answers every item that waits."""
        now = datetime.now(UTC)
        self._feedback = [
            item
            if item.outcome
            else replace(item, outcome=outcome, reason=reason, effect=effect, acknowledge_time=now)
            for item in self._feedback
        ]
        for drift_event_id in self._events:
            event = self._counted(drift_event_id)
            if not event.closed and 0 < event.sample_count == event.acknowledged_feedback_count:
                self._move(drift_event_id, "RESOLVED", "server", "all feedback acknowledged")

    def learn(self, drift_event_id: str) -> None:
        """Plays the device: learns what waits of one event, and tells what it measured."""
        items = [one for one in self._feedback if one.drift_event_id == drift_event_id and not one.outcome]
        now = datetime.now(UTC)
        effect = EffectView(
            adaptation_id=f"adaptation-{len(self._adaptations) + 1}",
            judged_accuracy_before=0.0,
            judged_accuracy_after=1.0,
            judged_sample_count=len(items),
            reference_accuracy_before=0.9,
            reference_accuracy_after=0.9,
            reference_sample_count=600,
            propagated_sample_count=0,
            commit_time=now,
            stream_distance_before=0.0,
            stream_distance_after=0.0,
            stream_sample_count=0,
        )
        made = AdaptationView(
            adaptation_id=effect.adaptation_id,
            device_id=items[0].device_id,
            drift_event_id=drift_event_id,
            kind="HUMAN_LABELS",
            state="COMMITTED",
            description="",
            reason="",
            effect=effect,
            sample_count=len(items),
            decide_time=now,
        )
        self._adaptations.append(made)
        self.acknowledge("APPLIED", effect=effect)

    def devices(self) -> tuple[DeviceView, ...]:
        self._ask("devices")
        return tuple(self._devices[key] for key in sorted(self._devices))

    def change_mode(self, device_id: str, mode: str) -> None:
        self._ask("change_mode")
        if self.refused or device_id not in self._devices:
            raise self.refused or HubError("DEVICE_NOT_FOUND", f"device {device_id} is unknown")
        self._devices[device_id] = replace(self._devices[device_id], mode=mode)

    def adaptations(
        self, *, drift_event_id: str = "", device_id: str = "", limit: int = MAX_ROWS
    ) -> tuple[AdaptationView, ...]:
        self._ask("adaptations")
        wanted = [
            one
            for one in reversed(self._adaptations)
            if drift_event_id in ("", one.drift_event_id) and device_id in ("", one.device_id)
        ]
        return tuple(wanted[:limit])

    def events(
        self, *, states: Sequence[str] = (), device_id: str = "", limit: int = MAX_ROWS
    ) -> tuple[EventView, ...]:
        self._ask("events")
        events = (self._counted(key) for key in reversed(self._events))
        wanted = [
            event
            for event in events
            if (not states or event.state in states) and device_id in ("", event.device_id)
        ]
        return tuple(wanted[:limit])

    def event(self, drift_event_id: str) -> tuple[EventView, tuple[TransitionView, ...]]:
        self._ask("event")
        return self._counted(drift_event_id), tuple(self._transitions.get(drift_event_id, ()))

    def samples(self, drift_event_id: str) -> tuple[SampleView, ...]:
        self._ask("samples")
        return tuple(self._of(drift_event_id))

    def image(self, sample_id: str) -> bytes:
        self._ask("image")
        return self._images[sample_id]

    def judge(self, verdicts: Sequence[VerdictView]) -> tuple[SampleView, ...]:
        self._ask("judge")
        for verdict in verdicts:
            if verdict in self.taken:
                continue
            sample = self._samples[verdict.sample_id]
            event = self._counted(sample.drift_event_id)
            if event.closed:
                raise HubError("DRIFT_EVENT_CLOSED", "the drift event is resolved; reopen it first")
            if sample.judged:
                raise HubError("SAMPLE_JUDGED", "the sample is judged already; read it again")
            self._take(verdict, sample)
            if event.state == "OPEN":
                self._move(event.drift_event_id, "IN_REVIEW", verdict.reviewer, "first verdict")
        return tuple(self._samples[verdict.sample_id] for verdict in verdicts)

    def feedback(self, *, drift_event_id: str = "", device_id: str = "") -> tuple[FeedbackView, ...]:
        self._ask("feedback")
        return tuple(
            item
            for item in reversed(self._feedback)
            if drift_event_id in ("", item.drift_event_id) and device_id in ("", item.device_id)
        )

    def resolve(self, drift_event_id: str, *, reviewer: str, reason: str) -> None:
        self._ask("resolve")
        self._move(drift_event_id, "RESOLVED", reviewer, reason)

    def reopen(self, drift_event_id: str, *, reviewer: str, reason: str) -> None:
        self._ask("reopen")
        judged = any(sample.judged for sample in self._of(drift_event_id))
        self._move(drift_event_id, "IN_REVIEW" if judged else "OPEN", reviewer, reason)

    def packages(
        self, *, state: str = "", device_id: str = "", limit: int = MAX_ROWS
    ) -> tuple[PackageView, ...]:
        self._ask("packages")
        wanted = [
            one
            for one in reversed(self._packages.values())
            if state in ("", one.state) and device_id in ("", one.device_id)
        ]
        return tuple(wanted[:limit])

    def retry(self, package_id: str) -> None:
        self._ask("retry")
        package = self._packages.get(package_id)
        if self.refused or package is None or not package.failed:
            raise self.refused or HubError("PACKAGE_NOT_FAILED", f"package {package_id} has not failed")
        steps = (
            replace(step, state="PENDING", error="") if step.state == "FAILED" else step
            for step in package.steps
        )
        self._packages[package_id] = replace(
            package, state="COMMITTED", error_reason="", error="", steps=tuple(steps)
        )

    def metric_names(self, device_id: str) -> tuple[str, ...]:
        self._ask("metric_names")
        return tuple(name for owner, name in sorted(self._series) if owner == device_id)

    def series(
        self, device_id: str, name: str, *, start_time: datetime, end_time: datetime, step: timedelta
    ) -> SeriesView:
        self._ask("series")
        found = self._series.get((device_id, name), SeriesView(name=name, points=()))
        inside = tuple(point for point in found.points if start_time <= point[0] < end_time)
        return replace(found, points=inside)

    def logs(
        self, *, device_id: str = "", minimum_level: str = "", text: str = "", limit: int = MAX_ROWS
    ) -> tuple[LogView, ...]:
        self._ask("logs")
        levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        wanted = [
            line
            for line in reversed(self._logs)
            if device_id in ("", line.device_id)
            and levels.index(line.level) >= levels.index(minimum_level or "DEBUG")
            and all(word.casefold() in f"{line.logger} {line.message}".casefold() for word in text.split())
        ]
        return tuple(wanted[:limit])

    def _ask(self, method: str) -> None:
        self.asked[method] += 1
        if self.gone:
            raise HubError("UNAVAILABLE", "The server does not answer. Start it with `tinysphere serve all`.")

    def _of(self, drift_event_id: str) -> list[SampleView]:
        return [sample for sample in self._samples.values() if sample.drift_event_id == drift_event_id]

    def _counted(self, drift_event_id: str) -> EventView:
        if drift_event_id not in self._events:
            raise HubError("DRIFT_EVENT_NOT_FOUND", f"there is no drift event {drift_event_id}")
        samples = self._of(drift_event_id)
        items = [item for item in self._feedback if item.drift_event_id == drift_event_id]
        return replace(
            self._events[drift_event_id],
            sample_count=len(samples),
            judged_sample_count=sum(sample.judged for sample in samples),
            feedback_count=len(items),
            acknowledged_feedback_count=sum(item.outcome in ("APPLIED", "REJECTED") for item in items),
        )

    def _take(self, verdict: VerdictView, sample: SampleView) -> None:
        self.taken.append(verdict)
        label = sample.predicted_label if verdict.decision == "NOT_DRIFT" else verdict.label
        self._samples[sample.sample_id] = replace(
            sample, state="JUDGED", judged_label=label, judged_decision=verdict.decision
        )
        self._feedback.append(
            FeedbackView(
                feedback_id=f"feedback-{len(self._feedback) + 1}",
                device_id=sample.device_id,
                sequence=len(self._feedback) + 1,
                sample_id=sample.sample_id,
                drift_event_id=sample.drift_event_id,
                decision=verdict.decision,
                label=verdict.label,
                outcome="",
                reason="",
                effect=None,
                create_time=datetime.now(UTC),
                acknowledge_time=None,
            )
        )

    def _move(self, drift_event_id: str, state: str, actor: str, reason: str) -> None:
        event = self._counted(drift_event_id)
        self._events[drift_event_id] = replace(
            event, state=state, resolution=reason if state == "RESOLVED" else ""
        )
        self._transitions.setdefault(drift_event_id, []).append(
            TransitionView(
                from_state=event.state,
                to_state=state,
                actor=actor,
                reason=reason,
                change_time=datetime.now(UTC),
            )
        )

"""The Drift Hub's server in memory, behind the same port as the real one, with the contract's refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.fakes.distribution import FakeDistribution
from tests.fakes.notifications import FakeNotifications
from tests.fakes.reviewing import FakeGroups, FakeReviewing
from tinyboard.client.calls import MAX_ROWS, HubError
from tinyboard.client.ports import ANY_EVENT
from tinyboard.views.drift_records import BacklogView, BudgetView, CountView, EventFilter
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
        taken: The verdicts taken, in their order.
        backlog: How feedback fares, told as it is.
    """

    def __init__(self) -> None:
        self.gone = False
        self.refused: HubError | None = None
        self.asked: Counter[str] = Counter()
        self.taken: list[VerdictView] = []
        self.backlog: list[BacklogView] = []
        self.reviewing = FakeReviewing(self)
        self.groups = FakeGroups(self)
        self.notifications = FakeNotifications(self.ask)
        self.distribution = FakeDistribution(self.ask)
        self._devices: dict[str, DeviceView] = {}
        self._events: dict[str, EventView] = {}
        self.sample_by_id: dict[str, SampleView] = {}
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
        self.sample_by_id |= {sample.sample_id: sample for sample in samples}
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

    def closed(self, drift_event_id: str) -> bool:
        """Whether an event takes no verdict; told without a call."""
        return bool(drift_event_id) and self._events[drift_event_id].closed

    def devices(self) -> tuple[DeviceView, ...]:
        self.ask("devices")
        return tuple(self._devices[key] for key in sorted(self._devices))

    def change_mode(self, device_id: str, mode: str) -> None:
        self.ask("change_mode")
        if self.refused or device_id not in self._devices:
            raise self.refused or HubError("DEVICE_NOT_FOUND", f"device {device_id} is unknown")
        self._devices[device_id] = replace(self._devices[device_id], mode=mode)

    def adaptations(
        self, *, drift_event_id: str = "", device_id: str = "", limit: int = MAX_ROWS
    ) -> tuple[AdaptationView, ...]:
        self.ask("adaptations")
        wanted = [
            one
            for one in reversed(self._adaptations)
            if drift_event_id in ("", one.drift_event_id) and device_id in ("", one.device_id)
        ]
        return tuple(wanted[:limit])

    def events(self, wanted: EventFilter = ANY_EVENT, *, limit: int = MAX_ROWS) -> tuple[EventView, ...]:
        self.ask("events")
        events = (self._counted(key) for key in reversed(self._events))
        return tuple([event for event in events if _matches(event, wanted)][:limit])

    def event(self, drift_event_id: str) -> tuple[EventView, tuple[TransitionView, ...]]:
        self.ask("event")
        return self._counted(drift_event_id), tuple(self._transitions.get(drift_event_id, ()))

    def budget(self, drift_event_id: str) -> BudgetView:
        self.ask("budget")
        waiting = [sample for sample in self._of(drift_event_id) if not sample.judged]
        groups = Counter(sample.group_id or sample.sample_id for sample in waiting)
        held = main_group_count = 0
        for _, size in groups.most_common():
            if held >= 0.9 * len(waiting):
                break
            held, main_group_count = held + size, main_group_count + 1
        return BudgetView(
            open_sample_count=len(waiting), open_group_count=len(groups), main_group_count=main_group_count
        )

    def statistics(
        self, dimensions: Sequence[str], *, device_id: str = "", after_time: datetime | None = None
    ) -> tuple[CountView, ...]:
        self.ask("statistics")
        counts: Counter[CountView] = Counter()
        for event in self._events.values():
            when = event.detect_time
            if device_id in ("", event.device_id) and (not after_time or (when and when >= after_time)):
                counts[_counted_by(event, dimensions)] += 1
        return tuple(replace(row, event_count=count) for row, count in counts.most_common())

    def samples(
        self,
        *,
        drift_event_id: str = "",
        device_id: str = "",
        group_id: str = "",
        state: str = "",
        limit: int = MAX_ROWS,
    ) -> tuple[SampleView, ...]:
        self.ask("samples")
        wanted = [
            sample
            for sample in self.sample_by_id.values()
            if drift_event_id in ("", sample.drift_event_id)
            and device_id in ("", sample.device_id)
            and group_id in ("", sample.group_id)
            and state in ("", sample.state)
        ]
        return tuple(wanted[:limit])

    def image(self, sample_id: str) -> bytes:
        self.ask("image")
        if sample_id not in self._images:
            raise HubError("SAMPLE_WITHOUT_CONTENT", "the sample came without a picture")
        return self._images[sample_id]

    def judge(self, verdicts: Sequence[VerdictView]) -> tuple[SampleView, ...]:
        self.ask("judge")
        for verdict in verdicts:
            if verdict in self.taken:
                continue
            sample = self.sample_by_id[verdict.sample_id]
            if verdict.decision == "WITHDRAWN":
                self._withdraw(verdict, sample)
                continue
            self._refuse_closed(sample)
            if sample.judged:
                raise HubError("SAMPLE_JUDGED", "the sample is judged already; read it again")
            self._take(verdict, sample)
        return tuple(self.sample_by_id[verdict.sample_id] for verdict in verdicts)

    def backlogs(self) -> tuple[BacklogView, ...]:
        self.ask("backlogs")
        return tuple(self.backlog)

    def feedback(self, *, drift_event_id: str = "", device_id: str = "") -> tuple[FeedbackView, ...]:
        self.ask("feedback")
        return tuple(
            item
            for item in reversed(self._feedback)
            if drift_event_id in ("", item.drift_event_id) and device_id in ("", item.device_id)
        )

    def resolve(self, drift_event_id: str, *, reviewer: str, reason: str) -> None:
        self.ask("resolve")
        self._move(drift_event_id, "RESOLVED", reviewer, reason)

    def reopen(self, drift_event_id: str, *, reviewer: str, reason: str) -> None:
        self.ask("reopen")
        judged = any(sample.judged for sample in self._of(drift_event_id))
        self._move(drift_event_id, "IN_REVIEW" if judged else "OPEN", reviewer, reason)

    def packages(
        self, *, state: str = "", device_id: str = "", limit: int = MAX_ROWS
    ) -> tuple[PackageView, ...]:
        self.ask("packages")
        wanted = [
            one
            for one in reversed(self._packages.values())
            if state in ("", one.state) and device_id in ("", one.device_id)
        ]
        return tuple(wanted[:limit])

    def retry(self, package_id: str) -> None:
        self.ask("retry")
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
        self.ask("metric_names")
        return tuple(name for owner, name in sorted(self._series) if owner == device_id)

    def series(
        self, device_id: str, name: str, *, start_time: datetime, end_time: datetime, step: timedelta
    ) -> SeriesView:
        self.ask("series")
        found = self._series.get((device_id, name), SeriesView(name=name, points=()))
        inside = tuple(point for point in found.points if start_time <= point[0] < end_time)
        return replace(found, points=inside)

    def logs(
        self, *, device_id: str = "", minimum_level: str = "", text: str = "", limit: int = MAX_ROWS
    ) -> tuple[LogView, ...]:
        self.ask("logs")
        levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        wanted = [
            line
            for line in reversed(self._logs)
            if device_id in ("", line.device_id)
            and levels.index(line.level) >= levels.index(minimum_level or "DEBUG")
            and all(word.casefold() in f"{line.logger} {line.message}".casefold() for word in text.split())
        ]
        return tuple(wanted[:limit])

    def ask(self, method: str) -> None:
        """Counts a call; raises when the server is gone."""
        self.asked[method] += 1
        if self.gone:
            raise HubError("UNAVAILABLE", "The server does not answer. Start it with `tinysphere serve all`.")

    def _of(self, drift_event_id: str) -> list[SampleView]:
        return [sample for sample in self.sample_by_id.values() if sample.drift_event_id == drift_event_id]

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

    def _refuse_closed(self, sample: SampleView) -> None:
        if self.closed(sample.drift_event_id):
            raise HubError("DRIFT_EVENT_CLOSED", "the drift event is resolved; reopen it first")

    def _take(self, verdict: VerdictView, sample: SampleView) -> None:
        """Takes a verdict; the reviewers' newest ones decide as the policy asks."""
        self.taken.append(verdict)
        self.reviewing.forget(sample.sample_id)
        event_id = sample.drift_event_id
        if event_id and self._events[event_id].state == "OPEN":
            self._move(event_id, "IN_REVIEW", verdict.reviewer, "first verdict")
        if not self.reviewing.decides(sample, verdict):
            return
        label = sample.predicted_label if verdict.decision == "NOT_DRIFT" else verdict.label
        self.sample_by_id[sample.sample_id] = replace(
            sample, state="JUDGED", judged_label=label, judged_decision=verdict.decision
        )
        self._send_back(sample, verdict.decision, verdict.label)

    def _withdraw(self, verdict: VerdictView, sample: SampleView) -> None:
        if not self.reviewing.opinions(sample.sample_id).get(verdict.reviewer):
            raise HubError("NOTHING_TO_WITHDRAW", "there is no verdict of yours on the sample")
        self.taken.append(verdict)
        if sample.judged:
            self.sample_by_id[sample.sample_id] = replace(
                sample, state="OPEN", judged_label="", judged_decision=""
            )
            self._send_back(sample, "UNUSABLE", "")

    def _send_back(self, sample: SampleView, decision: str, label: str) -> None:
        self._feedback.append(
            FeedbackView(
                feedback_id=f"feedback-{len(self._feedback) + 1}",
                device_id=sample.device_id,
                sequence=len(self._feedback) + 1,
                sample_id=sample.sample_id,
                drift_event_id=sample.drift_event_id,
                decision=decision,
                label=label,
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


def _matches(event: EventView, wanted: EventFilter) -> bool:
    severities = ("", "LOW", "MEDIUM", "HIGH", "CRITICAL")
    received = event.receive_time
    return (
        (not wanted.states or event.state in wanted.states)
        and wanted.device_id in ("", event.device_id)
        and wanted.type in ("", event.type)
        and wanted.scope in ("", event.scope)
        and severities.index(event.severity) >= severities.index(wanted.minimum_severity)
        and (wanted.after_time is None or (received is not None and received >= wanted.after_time))
        and (wanted.before_time is None or (received is not None and received < wanted.before_time))
    )


def _counted_by(event: EventView, dimensions: Sequence[str]) -> CountView:
    """The row of the statistics that an event belongs to."""
    named = {name.lower(): getattr(event, name.lower(), "") for name in dimensions}
    fields = {
        name: value
        for name, value in named.items()
        if name in ("state", "type", "severity", "cause", "scope")
    }
    when = event.detect_time
    if when and "HOUR" in dimensions:
        fields["time"] = when.replace(minute=0, second=0, microsecond=0)
    elif when and "DAY" in dimensions:
        fields["time"] = when.replace(hour=0, minute=0, second=0, microsecond=0)
    return CountView(event_count=0, device_id=event.device_id if "DEVICE" in dimensions else "", **fields)

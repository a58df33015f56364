"""Compares what devices know they sent with what the server says it holds: nothing lost, nothing doubled."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tinymlops.v1 import drift_pb2, drift_service_pb2, feedback_pb2, feedback_service_pb2, package_pb2
from tinymlops.v1 import ingestion_service_pb2 as ingestion
from tinysphere.simulator.script.ledger import Ledger
from tinysphere.simulator.wire.channels import Channels
from tinysphere.simulator.wire.listing import read_all
from tinysphere.simulator.wire.methods import LIST_DRIFT_EVENTS, LIST_FEEDBACK, LIST_PACKAGES

MAX_NOTES = 10
_LOOK_S = 0.5
_UNDER_WAY = (package_pb2.PACKAGE_STATE_COMMITTED, package_pb2.PACKAGE_STATE_PROCESSING)


@dataclass(slots=True)
class Findings:
    """What a check found.

    Attributes:
        counts: "packages", "drift_events", "samples": compared and right; "lost", "doubled", "wrong", "unprocessed".
        notes: The first faults in words.
    """

    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def blame(self, fault: str, note: str) -> None:
        """One more fault."""
        self.counts[fault] += 1
        if len(self.notes) < MAX_NOTES:
            self.notes.append(f"{fault}: {note}")

    @property
    def is_good(self) -> bool:
        """Whether no fault was found."""
        return not any(self.counts[fault] for fault in ("lost", "doubled", "wrong", "unprocessed"))


async def check_device(
    channels: Channels, device_id: str, ledger: Ledger, findings: Findings, *, settle_s: float
) -> None:
    """Compares one device; its packages may take ``settle_s`` real seconds until they are processed.

    Raises:
        CallError: The server does not answer.
    """
    packages = await settled_packages(channels, device_id, settle_s)
    _check_packages(device_id, ledger, packages, findings)
    await _check_events(channels, device_id, ledger, findings)
    await _check_feedback(channels, device_id, ledger, findings)


async def settled_packages(channels: Channels, device_id: str, settle_s: float) -> list[package_pb2.Package]:
    """A device's packages, once all are processed or ``settle_s`` real seconds are over.

    Raises:
        CallError: The server does not answer.
    """
    deadline_s = asyncio.get_running_loop().time() + settle_s
    while True:
        request = ingestion.ListPackagesRequest(device_id=device_id)
        packages = [one async for one in read_all(channels, LIST_PACKAGES, request, "packages")]
        is_settled = not any(package.state in _UNDER_WAY for package in packages)
        if is_settled or asyncio.get_running_loop().time() > deadline_s:
            return packages
        await asyncio.sleep(_LOOK_S)


def _check_packages(
    device_id: str, ledger: Ledger, packages: list[package_pb2.Package], findings: Findings
) -> None:
    listed = Counter(package.descriptor.package_id for package in packages)
    for package_id in ledger.made.keys() - listed.keys():
        findings.blame("lost", f"package {package_id} of {device_id}")
    for package_id, count in listed.items():
        if count > 1:
            findings.blame("doubled", f"package {package_id} of {device_id} is listed {count} times")
        if package_id not in ledger.made:
            findings.blame(
                "wrong", f"package {package_id} of {device_id} is none of this run; use another seed"
            )
    for package in packages:
        if package.descriptor.package_id in ledger.made:
            _check_package(ledger, package, findings)


def _check_package(ledger: Ledger, package: package_pb2.Package, findings: Findings) -> None:
    package_id = package.descriptor.package_id
    made = ledger.made[package_id]
    steps = {step.kind: step.record_count for step in package.steps}
    if package.descriptor.sha256 != made.sha256:
        findings.blame("wrong", f"package {package_id} has another digest")
    elif package.state in _UNDER_WAY:
        findings.blame("unprocessed", f"package {package_id}")
    elif package.state != package_pb2.PACKAGE_STATE_PROCESSED:
        errors = "; ".join(step.error for step in package.steps if step.error)
        findings.blame("wrong", f"package {package_id}: {package.error or errors or 'not whole'}")
    elif steps != made.record_counts:
        findings.blame("wrong", f"package {package_id} has records {steps}, sent were {made.record_counts}")
    else:
        findings.counts["packages"] += 1


async def _check_events(channels: Channels, device_id: str, ledger: Ledger, findings: Findings) -> None:
    request = drift_service_pb2.ListDriftEventsRequest(device_id=device_id)
    events = [one async for one in read_all(channels, LIST_DRIFT_EVENTS, request, "drift_events")]
    listed = Counter(event.drift_event_id for event in events)
    sent: Counter[str] = Counter()
    for made in ledger.made.values():
        sent.update(made.sample_count_by_event)
    for drift_event_id in ledger.event_ids - listed.keys():
        findings.blame("lost", f"drift event {drift_event_id} of {device_id}")
    for event in events:
        _check_event(event, listed, sent, ledger, findings)


def _check_event(
    event: drift_pb2.DriftEvent, listed: Counter[str], sent: Counter[str], ledger: Ledger, findings: Findings
) -> None:
    drift_event_id = event.drift_event_id
    if listed[drift_event_id] > 1:
        findings.blame("doubled", f"drift event {drift_event_id} is listed {listed[drift_event_id]} times")
    elif drift_event_id not in ledger.event_ids:
        findings.blame("wrong", f"drift event {drift_event_id} is none of this run; use another seed")
    elif event.sample_count != sent[drift_event_id]:
        fault = "lost" if event.sample_count < sent[drift_event_id] else "doubled"
        findings.blame(
            fault,
            f"drift event {drift_event_id}: {event.sample_count} samples, {sent[drift_event_id]} were sent",
        )
    elif event.HasField("recovery_time") != (drift_event_id in ledger.recovered_ids):
        findings.blame("lost", f"drift event {drift_event_id}: its recovery")
    else:
        findings.counts["drift_events"] += 1
        findings.counts["samples"] += event.sample_count


async def _check_feedback(channels: Channels, device_id: str, ledger: Ledger, findings: Findings) -> None:
    request: Any = feedback_service_pb2.ListFeedbackRequest(device_id=device_id)
    done = Counter(
        [
            item.feedback_id
            async for item in read_all(channels, LIST_FEEDBACK, request, "items")
            if item.outcome in (feedback_pb2.FEEDBACK_OUTCOME_APPLIED, feedback_pb2.FEEDBACK_OUTCOME_REJECTED)
        ]
    )
    for feedback_id in ledger.answered_ids - done.keys():
        findings.blame("lost", f"the answer of {device_id} to feedback {feedback_id}")
    findings.counts["feedback"] += len(ledger.answered_ids & done.keys())

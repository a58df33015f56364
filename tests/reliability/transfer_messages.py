"""One message of every kind that a device sends to ingestion, drift and feedback, and the reviewer's in between."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.reliability.transfer_effects import Stubs
from tests.tinysphere.drift import builders as drift
from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.builders import DEVICE_ID
from tests.tinysphere.ingestion.sender import Sender
from tinymlops.v1 import (
    adaptation_service_pb2,
    device_pb2,
    device_service_pb2,
    drift_pb2,
    drift_service_pb2,
    feedback_pb2,
    feedback_service_pb2,
    package_pb2,
)
from tinymlops.v1 import ingestion_service_pb2 as ingestion

SAMPLE_COUNT = 4
_BOOT_ID = drift.uuid(500)
_TIMEOUT_S = 30


class NotYetError(Exception):
    """What a message answers is not there yet; it is sent again later."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as its sender has it: the same however often it is sent."""

    name: str
    send: Callable[[Stubs], object]


def story(rng: random.Random) -> list[Sent]:
    """All messages, in the order in which a device would send them."""
    small, large = _package(), _package(padding=rng.randbytes(300_000))
    return [
        Sent("RegisterDevice", _register),
        *[Sent(f"Heartbeat {sequence}", _heartbeat(sequence)) for sequence in (1, 2, 3)],
        Sent("ReportDriftEvents", _report_events(drift.event_message())),
        Sent("PutPackage", _put(*small)),
        Sent("CreateUpload", _create(large[0])),
        Sent("GetUpload", _get_upload(large[0])),
        Sent("UploadPackage", _upload(*large)),
        Sent("CancelUpload, too late", _cancel(large[0])),
        Sent("FindMissing", _find_missing([small[0].sha256, large[0].sha256])),
        Sent("ReportSamples", _report_samples),
        Sent("SubmitVerdicts", _submit_verdicts),
        Sent("FetchFeedback", _fetch),
        Sent("AcknowledgeFeedback, deferred", _acknowledge(1, feedback_pb2.FEEDBACK_OUTCOME_DEFERRED)),
        Sent("AcknowledgeFeedback, applied", _acknowledge(1, feedback_pb2.FEEDBACK_OUTCOME_APPLIED)),
        Sent("AcknowledgeFeedback, rejected", _acknowledge(2, feedback_pb2.FEEDBACK_OUTCOME_REJECTED)),
        Sent("ReportAdaptations", _report_adaptations),
        Sent("ReportDriftEvents, recovered", _report_events(drift.recovered_message())),
    ]


def _register(stubs: Stubs) -> object:
    device = device_pb2.Device(device_id=DEVICE_ID, display_name="Gate 1", labels={"site": "hall-2"})
    request = device_service_pb2.RegisterDeviceRequest(device=device)
    return stubs.devices.RegisterDevice(request, timeout=_TIMEOUT_S)


def _heartbeat(sequence: int) -> Callable[[Stubs], object]:
    request = device_service_pb2.HeartbeatRequest(
        device_id=DEVICE_ID,
        boot_id=_BOOT_ID,
        sequence=sequence,
        device_time=builders.TIME,
        counters=device_pb2.DeviceCounters(prediction_count=100 * sequence, package_count=sequence),
        status=device_pb2.DeviceStatus(drifting=sequence == 2, quarantine_count=sequence),
    )
    return lambda stubs: stubs.devices.Heartbeat(request, timeout=_TIMEOUT_S)


def _package(padding: bytes = b"") -> tuple[package_pb2.PackageDescriptor, bytes]:
    entries = [
        ("drift_events.pb", builders.DRIFT_EVENTS, builders.delimited([builders.drift_event()])),
        ("samples.pb", builders.SAMPLES, builders.delimited([builders.sample(), builders.sample()])),
        ("metrics.pb", builders.METRICS, builders.delimited([builders.metric_point()] * 5)),
        ("logs.pb", builders.LOGS, builders.delimited([builders.log_record()] * 3)),
        ("adaptations.pb", builders.ADAPTATIONS, builders.delimited([builders.adaptation()])),
    ]
    if padding:
        entries.append(("state.bin", builders.MODEL_STATE, padding))
    return builders.packed(entries)


def _put(descriptor: package_pb2.PackageDescriptor, content: bytes) -> Callable[[Stubs], object]:
    request = ingestion.PutPackageRequest(descriptor=descriptor, content=content)
    return lambda stubs: stubs.packages.PutPackage(request, timeout=_TIMEOUT_S)


def _create(descriptor: package_pb2.PackageDescriptor) -> Callable[[Stubs], package_pb2.Upload]:
    request = ingestion.CreateUploadRequest(descriptor=descriptor)
    return lambda stubs: stubs.packages.CreateUpload(request, timeout=_TIMEOUT_S).upload


def _get_upload(descriptor: package_pb2.PackageDescriptor) -> Callable[[Stubs], object]:
    def send(stubs: Stubs) -> object:
        request = ingestion.GetUploadRequest(upload_id=_create(descriptor)(stubs).upload_id)
        return stubs.packages.GetUpload(request, timeout=_TIMEOUT_S)

    return send


def _upload(descriptor: package_pb2.PackageDescriptor, content: bytes) -> Callable[[Stubs], object]:
    def send(stubs: Stubs) -> object:
        """The whole stream from its first byte, whatever the server has of it."""
        upload = _create(descriptor)(stubs)
        with Sender(stubs.packages, upload.upload_id, 0) as sender:
            sender.chunks(content)
            sender.finish()
            return sender.done()

    return send


def _cancel(descriptor: package_pb2.PackageDescriptor) -> Callable[[Stubs], object]:
    def send(stubs: Stubs) -> object:
        """Of an upload that has arrived: refused, which is its effect."""
        upload = _create(descriptor)(stubs)
        if upload.state != package_pb2.UPLOAD_STATE_FINISHED:
            raise NotYetError
        request = ingestion.CancelUploadRequest(upload_id=upload.upload_id)
        return stubs.packages.CancelUpload.with_call(request, timeout=_TIMEOUT_S)

    return send


def _find_missing(digests: Sequence[str]) -> Callable[[Stubs], object]:
    request = ingestion.FindMissingRequest(device_id=DEVICE_ID, sha256=digests)
    return lambda stubs: stubs.packages.FindMissing(request, timeout=_TIMEOUT_S)


def _report_events(*events: drift_pb2.DriftEvent) -> Callable[[Stubs], object]:
    request = drift_service_pb2.ReportDriftEventsRequest(drift_events=events)
    return lambda stubs: stubs.drift.ReportDriftEvents(request, timeout=_TIMEOUT_S)


def _report_samples(stubs: Stubs) -> object:
    samples = [drift.sample_message(number) for number in range(1, SAMPLE_COUNT + 1)]
    request = drift_service_pb2.ReportSamplesRequest(samples=samples)
    return stubs.drift.ReportSamples(request, timeout=_TIMEOUT_S)


def _submit_verdicts(stubs: Stubs) -> object:
    verdicts = [drift.verdict_message(number) for number in (1, 2)]
    request = drift_service_pb2.SubmitVerdictsRequest(verdicts=verdicts)
    return stubs.drift.SubmitVerdicts(request, timeout=_TIMEOUT_S)


def _report_adaptations(stubs: Stubs) -> object:
    request = adaptation_service_pb2.ReportAdaptationsRequest(adaptations=[drift.adaptation_message()])
    return stubs.adaptations.ReportAdaptations(request, timeout=_TIMEOUT_S)


def _fetch(stubs: Stubs) -> object:
    request = feedback_service_pb2.FetchFeedbackRequest(device_id=DEVICE_ID)
    return stubs.feedback.FetchFeedback(request, timeout=_TIMEOUT_S)


def _acknowledge(number: int, outcome: feedback_pb2.FeedbackOutcome.ValueType) -> Callable[[Stubs], object]:
    def send(stubs: Stubs) -> object:
        listed = feedback_service_pb2.ListFeedbackRequest(device_id=DEVICE_ID)
        items = stubs.feedback.ListFeedback(listed, timeout=_TIMEOUT_S).items
        ids = [item.feedback_id for item in items if item.sample_id == drift.uuid(1000 + number)]
        if not ids:
            raise NotYetError
        answer = feedback_pb2.FeedbackAcknowledgement(feedback_id=ids[0], outcome=outcome, reason="as told")
        if outcome == feedback_pb2.FEEDBACK_OUTCOME_APPLIED:
            answer = drift.applied(ids[0])
        request = feedback_service_pb2.AcknowledgeFeedbackRequest(
            device_id=DEVICE_ID, acknowledgements=[answer]
        )
        return stubs.feedback.AcknowledgeFeedback(request, timeout=_TIMEOUT_S)

    return send

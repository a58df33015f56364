"""A server that holds something of everything, and where each service of the contract is to be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from google.protobuf.descriptor import MethodDescriptor

from demo.server import TIMEOUT_S, Server
from tests.support.waiting import eventually
from tests.tinysphere.ingestion import builders
from tinymlops.v1 import (
    adaptation_pb2,
    device_pb2,
    device_service_pb2,
    drift_pb2,
    drift_service_pb2,
    ingestion_service_pb2,
    package_pb2,
)
from tinysphere.domain.ids import new_id

SERVED = {
    "ingestion": {"DeviceService", "IngestionService", "TelemetryService"},
    "drift": {
        "DriftService",
        "FeedbackService",
        "AdaptationService",
        "SampleGroupService",
        "ReviewService",
        "NotificationService",
    },
    "distribution": {"ModelService", "RolloutService"},
}
FINAL_STATES = (package_pb2.PACKAGE_STATE_PROCESSED, package_pb2.PACKAGE_STATE_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A server that holds something of everything a bad request could harm."""

    server: Server
    event_id: str
    judged_sample_id: str
    closed_event_id: str
    closed_sample_id: str

    def put(
        self, descriptor: package_pb2.PackageDescriptor, content: bytes
    ) -> ingestion_service_pb2.PutPackageResponse:
        """Sends a small package."""
        request = ingestion_service_pb2.PutPackageRequest(descriptor=descriptor, content=content)
        return self.server.ingestion.PutPackage(request, timeout=TIMEOUT_S)

    def package(self, package_id: str) -> package_pb2.Package:
        """One package as GetPackage tells it."""
        request = ingestion_service_pb2.GetPackageRequest(package_id=package_id)
        return self.server.ingestion.GetPackage(request, timeout=TIMEOUT_S).package

    def ended(self, package_id: str) -> package_pb2.Package:
        """The package when a worker is done with it."""
        eventually(lambda: self.package(package_id).state in FINAL_STATES)
        return self.package(package_id)

    def judge(self, sample_id: str) -> drift_service_pb2.SubmitVerdictsResponse:
        """Gives one verdict."""
        verdict = drift_pb2.Verdict(
            verdict_id=new_id(),
            sample_id=sample_id,
            reviewer="ann",
            decision=drift_pb2.DECISION_NEW_LABEL,
            label="bag",
        )
        request = drift_service_pb2.SubmitVerdictsRequest(verdicts=[verdict])
        return self.server.drift.SubmitVerdicts(request, timeout=TIMEOUT_S)

    def report(self, *samples: drift_pb2.Sample) -> drift_service_pb2.ReportSamplesResponse:
        """Sends samples beside any package."""
        request = drift_service_pb2.ReportSamplesRequest(samples=samples)
        return self.server.drift.ReportSamples(request, timeout=TIMEOUT_S)


def build_world(server: Server) -> World:
    """One device, a processed package with two events and an adaptation, a verdict with its feedback; one is closed."""
    register = device_service_pb2.RegisterDeviceRequest(
        device=device_pb2.Device(device_id=builders.DEVICE_ID)
    )
    server.devices.RegisterDevice(register, timeout=TIMEOUT_S)
    events = [builders.drift_event(), builders.drift_event()]
    samples = [builders.sample(drift_event_id=event.drift_event_id) for event in events]
    world = World(
        server=server,
        event_id=events[0].drift_event_id,
        judged_sample_id=samples[0].sample_id,
        closed_event_id=events[1].drift_event_id,
        closed_sample_id=samples[1].sample_id,
    )
    learnt = builders.adaptation(drift_event_id=world.event_id)
    descriptor, content = evidence(events, samples, [learnt])
    world.put(descriptor, content)
    assert world.ended(descriptor.package_id).state == package_pb2.PACKAGE_STATE_PROCESSED
    world.judge(world.judged_sample_id)
    close = drift_service_pb2.ResolveDriftEventRequest(
        drift_event_id=world.closed_event_id, reviewer="ann", reason="a known glitch"
    )
    server.drift.ResolveDriftEvent(close, timeout=TIMEOUT_S)
    return world


def evidence(
    events: list[drift_pb2.DriftEvent],
    samples: list[drift_pb2.Sample],
    adaptations: Sequence[adaptation_pb2.Adaptation] = (),
) -> tuple[package_pb2.PackageDescriptor, bytes]:
    """A package of events, samples and adaptations as a device makes it."""
    return builders.packed(
        [
            ("drift_events.pb", builders.DRIFT_EVENTS, builders.delimited(events)),
            ("samples.pb", builders.SAMPLES, builders.delimited(samples)),
            ("adaptations.pb", builders.ADAPTATIONS, builders.delimited(adaptations)),
        ]
    )


def channel_of(server: Server, method: MethodDescriptor) -> grpc.Channel:
    """The channel to the process that serves a method."""
    (process,) = (process for process, names in SERVED.items() if method.containing_service.name in names)
    return server.channels[process]

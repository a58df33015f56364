"""No value in any field of any request makes the server fail, or refuse without saying which rule was broken."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from demo.server import Server
from tests.e2e.inventory import inventory
from tests.e2e.world import World, channel_of, evidence
from tests.support.contract import call_with_bytes, methods
from tests.support.hostile import changes
from tests.support.refusals import read_refusal
from tests.tinysphere.ingestion import builders
from tinymlops.v1 import (
    adaptation_service_pb2,
    device_pb2,
    device_service_pb2,
    drift_pb2,
    drift_service_pb2,
    feedback_pb2,
    feedback_service_pb2,
    ingestion_service_pb2,
    model_service_pb2,
    rollout_pb2,
    rollout_service_pb2,
    telemetry_pb2,
    telemetry_service_pb2,
)
from tinysphere.domain.ids import new_id

Make = Callable[[World], Message]


def register(world: World) -> Message:
    device = device_pb2.Device(
        device_id=builders.DEVICE_ID,
        platform=device_pb2.Platform(machine="aarch64"),
        labels={"site": "lab"},
        location=device_pb2.Location(latitude_deg=52.5, longitude_deg=13.4),
    )
    return device_service_pb2.RegisterDeviceRequest(device=device)


def heartbeat(world: World) -> Message:
    return device_service_pb2.HeartbeatRequest(
        device_id=builders.DEVICE_ID,
        boot_id=new_id(),
        sequence=1,
        device_time=builders.TIME,
        counters=device_pb2.DeviceCounters(prediction_count=1),
        status=device_pb2.DeviceStatus(running_model=builders.MODEL),
    )


def update_device(world: World) -> Message:
    device = device_pb2.Device(
        device_id=builders.DEVICE_ID,
        mode=device_pb2.MODE_CENTRALIZED,
        display_name="Gate",
        labels={"site": "lab"},
    )
    mask = FieldMask(paths=["mode", "display_name", "labels"])
    return device_service_pb2.UpdateDeviceRequest(device=device, update_mask=mask)


def put_package(world: World) -> Message:
    descriptor, content = evidence([builders.drift_event()], [builders.sample()])
    return ingestion_service_pb2.PutPackageRequest(descriptor=descriptor, content=content)


def report_samples(world: World) -> Message:
    neighbour = drift_pb2.Neighbour(sample_id="reference/1", label="shirt", distance=1.0)
    return drift_service_pb2.ReportSamplesRequest(samples=[builders.sample(neighbours=[neighbour])])


def submit_verdicts(world: World) -> Message:
    sample = builders.sample()
    world.report(sample)
    verdict = drift_pb2.Verdict(
        verdict_id=new_id(),
        sample_id=sample.sample_id,
        reviewer="ann",
        decision=drift_pb2.DECISION_CONFIRMED_LABEL,
        label="shirt",
    )
    return drift_service_pb2.SubmitVerdictsRequest(verdicts=[verdict])


def acknowledge(world: World) -> Message:
    effect = feedback_pb2.AdaptationEffect(
        adaptation_id=new_id(), judged_sample_count=1, commit_time=builders.TIME
    )
    answer = feedback_pb2.FeedbackAcknowledgement(
        feedback_id=world.server.feedback_of(builders.DEVICE_ID)[0].feedback_id,
        outcome=feedback_pb2.FEEDBACK_OUTCOME_APPLIED,
        effect=effect,
    )
    return feedback_service_pb2.AcknowledgeFeedbackRequest(
        device_id=builders.DEVICE_ID, acknowledgements=[answer]
    )


def create_rollout(world: World) -> Message:
    rollout = rollout_pb2.Rollout(
        rollout_id=new_id(), model=builders.MODEL, target_labels={"site": "lab"}, operator="ann"
    )
    return rollout_service_pb2.CreateRolloutRequest(rollout=rollout)


def report_deployment(world: World) -> Message:
    deployment = rollout_pb2.Deployment(
        rollout_id=new_id(), device_id=builders.DEVICE_ID, state=rollout_pb2.DEPLOYMENT_STATE_STAGED
    )
    return rollout_service_pb2.ReportDeploymentRequest(deployment=deployment)


# Good requests, made anew each time; of the methods not named, every field is changed in an empty request.
GOOD: Mapping[str, Make] = {
    "RegisterDevice": register,
    "Heartbeat": heartbeat,
    "UpdateDevice": update_device,
    "PutPackage": put_package,
    "CreateUpload": lambda world: ingestion_service_pb2.CreateUploadRequest(
        descriptor=builders.describe(b"content")
    ),
    "ReportDriftEvents": lambda world: drift_service_pb2.ReportDriftEventsRequest(
        drift_events=[builders.drift_event(recovery_time=builders.TIME, recovery_index=200)]
    ),
    "ReportSamples": report_samples,
    "SubmitVerdicts": submit_verdicts,
    "AcknowledgeFeedback": acknowledge,
    "ReportAdaptations": lambda world: adaptation_service_pb2.ReportAdaptationsRequest(
        adaptations=[builders.adaptation(drift_event_id=world.event_id, sample_ids=[world.judged_sample_id])]
    ),
    "PublishModelVersion": lambda world: model_service_pb2.PublishModelVersionRequest(
        header=model_service_pb2.PublishHeader(
            model_name="fashion", bundle_sha256=builders.SPACE, size_bytes=9
        )
    ),
    "QueryMetrics": lambda world: telemetry_service_pb2.QueryMetricsRequest(
        name="latency_ms.total",
        device_ids=[builders.DEVICE_ID],
        start_time=builders.TIME,
        end_time=Timestamp(seconds=builders.TIME.seconds + 3600),
        step=timedelta(minutes=1),
        aggregation=telemetry_pb2.METRIC_AGGREGATION_MEAN,
    ),
    "SearchLogs": lambda world: telemetry_service_pb2.SearchLogsRequest(
        device_id=builders.DEVICE_ID,
        minimum_level="INFO",
        start_time=builders.TIME,
        end_time=Timestamp(seconds=builders.TIME.seconds + 3600),
        text="upload*",
    ),
    "CreateRollout": create_rollout,
    "ReportDeployment": report_deployment,
}


def answer_to(server: Server, method: MethodDescriptor, request: Message) -> str:
    """What is wrong with the answer; empty when it is in order."""
    try:
        answer = call_with_bytes(channel_of(server, method), method, request.SerializeToString())
        _ = list(answer) if hasattr(answer, "__next__") else answer
    except grpc.RpcError as error:
        refusal = read_refusal(error)
        if refusal.code in {"INTERNAL", "UNKNOWN", "UNIMPLEMENTED", "DEADLINE_EXCEEDED"}:
            return str(refusal)
        if refusal.reason == "INVALID_FIELD":
            named = re.match(r"\w*", refusal.field)
            known = {*method.input_type.fields_by_name, *method.input_type.oneofs_by_name}
            return "" if named and named[0] in known else f"names no field of the request: {refusal}"
    return ""


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_no_field_breaks_the_server(world: World, method: MethodDescriptor) -> None:
    make: Any = GOOD.get(method.name, lambda _: message_factory.GetMessageClass(method.input_type)())
    wrong = {}
    for told, change in changes(make(world)):
        request = make(world)
        change(request)
        if problem := answer_to(world.server, method, request):
            wrong[told] = problem
    assert wrong == {}
    assert inventory(world.server)["devices"], "what was taken can be read"

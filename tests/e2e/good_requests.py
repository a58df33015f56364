"""Good requests of the methods that take more than a page or an id: what hostile ones are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import google_crc32c
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from demo.server import TIMEOUT_S
from tests.e2e.world import World, evidence
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
    notification_pb2,
    notification_service_pb2,
    review_pb2,
    review_service_pb2,
    rollout_pb2,
    rollout_service_pb2,
    telemetry_pb2,
    telemetry_service_pb2,
)
from tinysphere.domain.ids import new_id

Make = Callable[[World], Message]


def register(world: World) -> Message:
    """Register."""
    device = device_pb2.Device(
        device_id=builders.DEVICE_ID,
        platform=device_pb2.Platform(machine="aarch64"),
        labels={"site": "lab"},
        location=device_pb2.Location(latitude_deg=52.5, longitude_deg=13.4),
    )
    return device_service_pb2.RegisterDeviceRequest(device=device)


def heartbeat(world: World) -> Message:
    """Heartbeat."""
    return device_service_pb2.HeartbeatRequest(
        device_id=builders.DEVICE_ID,
        boot_id=new_id(),
        sequence=1,
        device_time=builders.TIME,
        counters=device_pb2.DeviceCounters(prediction_count=1),
        status=device_pb2.DeviceStatus(running_model=builders.MODEL),
    )


def update_device(world: World) -> Message:
    """Update device."""
    device = device_pb2.Device(
        device_id=builders.DEVICE_ID,
        mode=device_pb2.MODE_CENTRALIZED,
        display_name="Gate",
        labels={"site": "lab"},
    )
    mask = FieldMask(paths=["mode", "display_name", "labels"])
    return device_service_pb2.UpdateDeviceRequest(device=device, update_mask=mask)


def put_package(world: World) -> Message:
    """Put package."""
    descriptor, content = evidence([builders.drift_event()], [builders.sample()])
    return ingestion_service_pb2.PutPackageRequest(descriptor=descriptor, content=content)


def report_samples(world: World) -> Message:
    """Report samples."""
    neighbour = drift_pb2.Neighbour(sample_id="reference/1", label="shirt", distance=1.0)
    return drift_service_pb2.ReportSamplesRequest(samples=[builders.sample(neighbours=[neighbour])])


def submit_verdicts(world: World) -> Message:
    """Submit verdicts."""
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


def update_review_settings(world: World) -> Message:
    """Update review settings."""
    settings = review_pb2.ReviewSettings(
        policy=review_pb2.VERDICT_POLICY_AGREEMENT,
        required_count=1,
        reviewer_count=3,
        adjudicators=["eve"],
        order=review_pb2.QUEUE_ORDER_OLDEST,
        reviewer="ann",
    )
    settings.lease_duration.FromSeconds(60)
    return review_service_pb2.UpdateReviewSettingsRequest(settings=settings)


def acknowledge(world: World) -> Message:
    """Acknowledge."""
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
    """Create rollout."""
    rollout = rollout_pb2.Rollout(
        rollout_id=new_id(), model=builders.MODEL, target_labels={"site": "lab"}, operator="ann"
    )
    return rollout_service_pb2.CreateRolloutRequest(rollout=rollout)


def report_deployment(world: World) -> Message:
    """Report deployment."""
    deployment = rollout_pb2.Deployment(
        rollout_id=new_id(), device_id=builders.DEVICE_ID, state=rollout_pb2.DEPLOYMENT_STATE_STAGED
    )
    return rollout_service_pb2.ReportDeploymentRequest(deployment=deployment)


# Good requests, made anew each time; of the methods not named, every field is changed in an empty request.
def put_notification_rule(world: World) -> Message:
    """Put a rule that is switched off."""
    rule = notification_pb2.NotificationRule(
        rule_id="019aa000-0000-7000-8000-000000000001",
        name="nights",
        topics=[notification_pb2.NOTIFICATION_TOPIC_DRIFT_EVENT],
        minimum_severity=drift_pb2.SEVERITY_HIGH,
        types=[drift_pb2.DRIFT_TYPE_COMBINED],
        channels=["mailtos://ann:secret@mail.invalid?to=bob@mail.invalid", "jsons://hooks.invalid/path"],
        repeat_interval=timedelta(hours=1),
        quiet_hours=notification_pb2.QuietHours(start_minute=1320, end_minute=360, time_zone="Europe/Berlin"),
        reviewer="ann",
    )
    return notification_service_pb2.PutNotificationRuleRequest(rule=rule)


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
    "ListDriftEvents": lambda world: drift_service_pb2.ListDriftEventsRequest(
        states=[drift_pb2.DRIFT_EVENT_STATE_OPEN],
        type=drift_pb2.DRIFT_TYPE_CONFIDENCE,
        minimum_severity=drift_pb2.SEVERITY_LOW,
        scope=drift_pb2.DRIFT_SCOPE_LOCAL,
        after_time=builders.TIME,
        before_time=builders.TIME,
    ),
    "GetDriftStatistics": lambda world: drift_service_pb2.GetDriftStatisticsRequest(
        device_id=builders.DEVICE_ID,
        after_time=builders.TIME,
        before_time=builders.TIME,
        dimensions=[drift_service_pb2.DRIFT_DIMENSION_DAY, drift_service_pb2.DRIFT_DIMENSION_MODEL_VERSION],
    ),
    "LeaseSamples": lambda world: review_service_pb2.LeaseSamplesRequest(
        reviewer="ann",
        sample_count=3,
        order=review_pb2.QUEUE_ORDER_NEWEST,
        device_id=builders.DEVICE_ID,
        drift_event_id=world.event_id,
    ),
    "ReleaseSamples": lambda world: review_service_pb2.ReleaseSamplesRequest(
        reviewer="ann", sample_ids=[world.judged_sample_id], skip=True
    ),
    "UpdateReviewSettings": update_review_settings,
    "AddLabel": lambda world: review_service_pb2.AddLabelRequest(name="bag", reviewer="ann"),
    "RenameLabel": lambda world: review_service_pb2.RenameLabelRequest(
        name="shirt", new_name="blouse", reviewer="ann"
    ),
    "ListAuditRecords": lambda world: review_service_pb2.ListAuditRecordsRequest(
        subject="shirt", after_time=builders.TIME, before_time=builders.TIME
    ),
    "GetAgreement": lambda world: review_service_pb2.GetAgreementRequest(
        after_time=builders.TIME, before_time=builders.TIME
    ),
    "PutNotificationRule": put_notification_rule,
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


def upload_package(world: World) -> Sequence[Message]:
    """The stream of an upload that was just created."""
    descriptor, content = builders.packed(
        [("logs.pb", builders.LOGS, builders.delimited([builders.log_record()]))]
    )
    create = ingestion_service_pb2.CreateUploadRequest(descriptor=descriptor)
    upload = world.server.ingestion.CreateUpload(create, timeout=TIMEOUT_S).upload
    half = len(content) // 2
    return [
        ingestion_service_pb2.UploadPackageRequest(
            open=ingestion_service_pb2.UploadOpen(upload_id=upload.upload_id)
        ),
        *(
            ingestion_service_pb2.UploadPackageRequest(
                chunk=ingestion_service_pb2.UploadChunk(
                    offset=offset, data=data, crc32c=google_crc32c.value(data)
                )
            )
            for offset, data in ((0, content[:half]), (half, content[half:]))
        ),
        ingestion_service_pb2.UploadPackageRequest(finish=ingestion_service_pb2.UploadFinish()),
    ]


def publish_model_version(world: World) -> Sequence[Message]:
    """A stream in order, of a bundle that is none."""
    content = b"no bundle" * 1000
    header = model_service_pb2.PublishHeader(
        model_name="fashion", bundle_sha256=builders.sha256(content), size_bytes=len(content)
    )
    return [
        model_service_pb2.PublishModelVersionRequest(header=header),
        *(
            model_service_pb2.PublishModelVersionRequest(data=content[at : at + 3000])
            for at in range(0, len(content), 3000)
        ),
    ]


# Good streams, made anew each time.
GOOD_STREAMS: Mapping[str, Callable[[World], Sequence[Message]]] = {
    "UploadPackage": upload_package,
    "PublishModelVersion": publish_model_version,
}

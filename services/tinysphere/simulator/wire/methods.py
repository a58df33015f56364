"""The methods a device, a reviewer and a check call, with the types of their messages."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from tinymlops.v1 import device_service_pb2 as devices
from tinymlops.v1 import drift_service_pb2 as drift
from tinymlops.v1 import feedback_service_pb2 as feedback
from tinymlops.v1 import ingestion_service_pb2 as ingestion
from tinymlops.v1 import rollout_service_pb2 as rollouts

RequestT = TypeVar("RequestT", bound=Message)
ReplyT = TypeVar("ReplyT", bound=Message)


@dataclass(frozen=True, slots=True)
class Method(Generic[RequestT, ReplyT]):
    """A method of the contract and where it is served: "ingestion", "drift" or "distribution"."""

    target: str
    service: str
    name: str
    request: type[RequestT]
    reply: type[ReplyT]

    @property
    def path(self) -> str:
        """As gRPC names it."""
        return f"/tinymlops.v1.{self.service}/{self.name}"


def _method(
    target: str, service: str, request: type[RequestT], reply: type[ReplyT]
) -> Method[RequestT, ReplyT]:
    """The name of a method is that of its request."""
    return Method(target, service, request.DESCRIPTOR.name.removesuffix("Request"), request, reply)


REGISTER = _method(
    "ingestion", "DeviceService", devices.RegisterDeviceRequest, devices.RegisterDeviceResponse
)
HEARTBEAT = _method("ingestion", "DeviceService", devices.HeartbeatRequest, devices.HeartbeatResponse)
PUT_PACKAGE = _method(
    "ingestion", "IngestionService", ingestion.PutPackageRequest, ingestion.PutPackageResponse
)
CREATE_UPLOAD = _method(
    "ingestion", "IngestionService", ingestion.CreateUploadRequest, ingestion.CreateUploadResponse
)
UPLOAD_PACKAGE = _method(
    "ingestion", "IngestionService", ingestion.UploadPackageRequest, ingestion.UploadPackageResponse
)
FIND_MISSING = _method(
    "ingestion", "IngestionService", ingestion.FindMissingRequest, ingestion.FindMissingResponse
)
LIST_PACKAGES = _method(
    "ingestion", "IngestionService", ingestion.ListPackagesRequest, ingestion.ListPackagesResponse
)
REPORT_DRIFT_EVENTS = _method(
    "drift", "DriftService", drift.ReportDriftEventsRequest, drift.ReportDriftEventsResponse
)
LIST_DRIFT_EVENTS = _method(
    "drift", "DriftService", drift.ListDriftEventsRequest, drift.ListDriftEventsResponse
)
LIST_SAMPLES = _method("drift", "DriftService", drift.ListSamplesRequest, drift.ListSamplesResponse)
SUBMIT_VERDICTS = _method("drift", "DriftService", drift.SubmitVerdictsRequest, drift.SubmitVerdictsResponse)
FETCH_FEEDBACK = _method(
    "drift", "FeedbackService", feedback.FetchFeedbackRequest, feedback.FetchFeedbackResponse
)
ACKNOWLEDGE_FEEDBACK = _method(
    "drift", "FeedbackService", feedback.AcknowledgeFeedbackRequest, feedback.AcknowledgeFeedbackResponse
)
LIST_FEEDBACK = _method(
    "drift", "FeedbackService", feedback.ListFeedbackRequest, feedback.ListFeedbackResponse
)
CHECK_UPDATE = _method(
    "distribution", "RolloutService", rollouts.CheckUpdateRequest, rollouts.CheckUpdateResponse
)
DOWNLOAD_ARTIFACT = _method(
    "distribution", "RolloutService", rollouts.DownloadArtifactRequest, rollouts.DownloadArtifactResponse
)
REPORT_DEPLOYMENT = _method(
    "distribution", "RolloutService", rollouts.ReportDeploymentRequest, rollouts.ReportDeploymentResponse
)

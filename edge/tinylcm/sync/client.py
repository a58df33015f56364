"""Channels to the three services, with the link settings a device in the field needs.

A link that died is noticed within KEEPALIVE_INTERVAL_S + KEEPALIVE_TIMEOUT_S; with grpcio's defaults it takes 106 s.
One that returned is found within RECONNECT_MAX_S, or by the next SYN of an attempt under way; see ADR 0013.

Only unary methods that may be repeated are retried by the channel; grpcio would re-send a short client stream silently,
and PutPackage is repeated by the uploader, which counts its bytes.
"""

import json
from types import TracebackType
from typing import Self

import grpc

from tinylcm.settings import ServerSettings
from tinylcm.sync.upload_chunk import upload_method
from tinymlops.v1.device_service_pb2_grpc import DeviceServiceStub
from tinymlops.v1.drift_service_pb2_grpc import DriftServiceStub
from tinymlops.v1.feedback_service_pb2_grpc import FeedbackServiceStub
from tinymlops.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from tinymlops.v1.rollout_service_pb2_grpc import RolloutServiceStub

KEEPALIVE_INTERVAL_S, KEEPALIVE_TIMEOUT_S = 6.0, 8.0
RECONNECT_FIRST_S, RECONNECT_MAX_S = 0.5, 1.5
CONNECT_TIMEOUT_S = (
    3.0  # a slow link's handshake takes more than a second; SYNs go out at 0, 1 and again at 3 s
)

_RETRIED_METHODS = {
    "DeviceService": ("RegisterDevice", "Heartbeat"),
    "IngestionService": ("CreateUpload", "GetUpload"),
    "DriftService": ("ReportDriftEvents",),
    "FeedbackService": ("FetchFeedback", "AcknowledgeFeedback"),
    "RolloutService": ("CheckUpdate", "ReportDeployment"),
}
_MAX_MESSAGE_BYTES = 8 << 20
# Each answer would make gRPC measure, by a ping, how fast bytes come down. Packages go up, and a ping that waits behind
# them for too long is taken for the end of the link.
_UPWARDS = (("grpc.http2.bdp_probe", 0),)


class Servers:
    """Stubs of the services a device calls; a context manager that closes their channels."""

    def __init__(self, settings: ServerSettings) -> None:
        self._channels = [
            grpc.insecure_channel(target, options=[*_channel_options(), *others])
            for target, others in (
                (settings.ingestion_target, _UPWARDS),
                (settings.drift_target, ()),
                (settings.distribution_target, ()),
            )
        ]
        ingestion, drift, distribution = self._channels
        self.devices = DeviceServiceStub(ingestion)
        self.ingestion = IngestionServiceStub(ingestion)
        self.upload_package = upload_method(ingestion)
        self.drift = DriftServiceStub(drift)
        self.feedback = FeedbackServiceStub(drift)
        self.rollouts = RolloutServiceStub(distribution)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every call and closes the channels."""
        for channel in self._channels:
            channel.close()


def _channel_options() -> list[tuple[str, int | str]]:
    return [
        ("grpc.keepalive_time_ms", int(KEEPALIVE_INTERVAL_S * 1000)),
        ("grpc.keepalive_timeout_ms", int(KEEPALIVE_TIMEOUT_S * 1000)),
        # A ping of another kind may be under way when the link dies; grpcio would wait a minute for its answer.
        ("grpc.http2.ping_timeout_ms", int(KEEPALIVE_TIMEOUT_S * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", int(RECONNECT_FIRST_S * 1000)),
        ("grpc.max_reconnect_backoff_ms", int(RECONNECT_MAX_S * 1000)),
        # In spite of its name how long one attempt to connect may take.
        ("grpc.min_reconnect_backoff_ms", int(CONNECT_TIMEOUT_S * 1000)),
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.service_config", _service_config()),
    ]


def _service_config() -> str:
    names = [
        {"service": f"tinymlops.v1.{service}", "method": method}
        for service, methods in _RETRIED_METHODS.items()
        for method in methods
    ]
    policy = {
        "maxAttempts": 3,
        "initialBackoff": "0.2s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": policy}]})

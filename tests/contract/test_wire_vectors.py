"""Bytes that were sent once are read for ever: messages of telemetry and watching, as first released."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tinymlops.v1 import ingestion_service_pb2, package_pb2, telemetry_pb2, telemetry_service_pb2

TIME = Timestamp(seconds=1_795_000_000)

VECTORS: dict[str, Message] = {
    "08021a03612e62220863616d6572612d312a0608c08df6d706320608d0a9f6d7063a02083c400a": (
        telemetry_service_pb2.QueryMetricsRequest(
            page_size=2,
            name="a.b",
            device_ids=["camera-1"],
            start_time=TIME,
            end_time=Timestamp(seconds=1_795_003_600),
            step=Duration(seconds=60),
            aggregation=telemetry_pb2.METRIC_AGGREGATION_P99,
        )
    ),
    "0a260a0f0a0863616d6572612d311203612e6212130a0608c08df6d706100319000000000000e03f1a0608c08df6d7062803": (
        telemetry_service_pb2.QueryMetricsResponse(
            series=[
                telemetry_pb2.MetricSeries(
                    metric=telemetry_pb2.Metric(device_id="camera-1", name="a.b"),
                    buckets=[telemetry_pb2.MetricBucket(start_time=TIME, count=3, value=0.5)],
                )
            ],
            start_time=TIME,
            level=telemetry_pb2.METRIC_LEVEL_HOUR,
        )
    ),
    "22054552524f522a0608c08df6d7063a056469736b2a": telemetry_service_pb2.SearchLogsRequest(
        minimum_level="ERROR", text="disk*", start_time=TIME
    ),
    "0a200a0863616d6572612d3112140a0608c08df6d7061204494e464f1a016c22016d": (
        telemetry_service_pb2.SearchLogsResponse(
            records=[
                telemetry_pb2.DeviceLogRecord(
                    device_id="camera-1",
                    record=package_pb2.LogRecord(log_time=TIME, level="INFO", logger="l", message="m"),
                )
            ]
        )
    ),
    "0a060a0218051004": ingestion_service_pb2.WatchPackageResponse(
        package=package_pb2.Package(
            state=package_pb2.PACKAGE_STATE_PROCESSED,
            descriptor=package_pb2.PackageDescriptor(format=package_pb2.PACKAGE_FORMAT_GZIP),
        )
    ),
}


@pytest.mark.parametrize(("wire", "message"), VECTORS.items(), ids=lambda value: type(value).__name__)
def test_bytes_and_messages_are_what_they_were(wire: str, message: Message) -> None:
    assert type(message).FromString(bytes.fromhex(wire)) == message
    assert message.SerializeToString(deterministic=True).hex() == wire

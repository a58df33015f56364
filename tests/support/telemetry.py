"""Metrics and logs as a device sends them, for pages that show them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import grpc

from tests.tinysphere.ingestion.builders import LOGS, METRICS, Entry, delimited, packed
from tinymlops.v1 import ingestion_service_pb2, ingestion_service_pb2_grpc, package_pb2

Measured = tuple[str, datetime, float]
"""Name, moment and value of a metric."""
Logged = tuple[datetime, str, str]
"""Moment, level and text of a line."""
TIMEOUT_S = 20


def send_telemetry(
    ingestion_target: str,
    device_id: str,
    now: datetime,
    *,
    measured: Iterable[Measured],
    logged: Iterable[Logged],
) -> None:
    """Sends what a registered device measured and logged, in one package made ``now``."""
    points = [
        package_pb2.MetricPoint(name=name, measure_time=moment, value=value)
        for name, moment, value in measured
    ]
    lines = [
        package_pb2.LogRecord(log_time=moment, level=level, logger="tinylcm.sync", message=message)
        for moment, level, message in logged
    ]
    entries: Sequence[Entry] = [
        ("metrics.pb", METRICS, delimited(points)),
        ("logs.pb", LOGS, delimited(lines)),
    ]
    descriptor, content = packed(entries, device_id=device_id, create_time=now)
    descriptor.device_id = device_id
    descriptor.create_time.FromDatetime(now)
    put_package(ingestion_target, descriptor, content)


def put_package(ingestion_target: str, descriptor: package_pb2.PackageDescriptor, content: bytes) -> None:
    """Sends a package at once."""
    with grpc.insecure_channel(ingestion_target) as channel:
        stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
        request = ingestion_service_pb2.PutPackageRequest(descriptor=descriptor, content=content)
        stub.PutPackage(request, timeout=TIMEOUT_S)


def a_day(now: datetime) -> list[Measured]:
    """What a camera measures in a day: every five minutes, but not while its power was away."""
    away = range(100, 120)
    return [
        (
            name,
            now - timedelta(minutes=5 * place),
            usual * (1 + 0.1 * math.sin(place / 9) + 0.02 * math.sin(place)),
        )
        for name, usual in (("latency_ms.p95", 2.4), ("memory_bytes", 76e6), ("predictions_per_second", 4.0))
        for place in range(24 * 12)
        if place not in away
    ]

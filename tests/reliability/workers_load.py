"""A device that sends packages as fast as it can, and keeps the receipts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from tests.tinysphere.ingestion import builders
from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    ingestion_service_pb2,
    ingestion_service_pb2_grpc,
    package_pb2,
)

SAMPLES, POINTS, LINES = 2, 5, 2  # in each package
RETRY_S = 0.2
TIMEOUT_S = 30.0
SENDERS = 2

Sent = tuple[package_pb2.PackageDescriptor, bytes]


def package(number: int) -> Sent:
    """A package like no other, with evidence, measurements and log lines."""
    event = builders.drift_event()
    samples = [
        builders.sample(drift_event_id=event.drift_event_id, image=b"", image_format=0)
        for _ in range(SAMPLES)
    ]
    moments = [  # before the package was made, or the server would not believe the clock
        Timestamp(seconds=builders.TIME.seconds - number, nanos=index * 1000) for index in range(POINTS)
    ]
    points = [builders.metric_point(measure_time=moment) for moment in moments]
    lines = [builders.log_record(message=f"line {index} of {number}") for index in range(LINES)]
    return builders.packed(
        [
            ("events.pb", builders.DRIFT_EVENTS, builders.delimited([event])),
            ("samples.pb", builders.SAMPLES, builders.delimited(samples)),
            ("metrics.pb", builders.METRICS, builders.delimited(points)),
            ("logs.pb", builders.LOGS, builders.delimited(lines)),
        ]
    )


@dataclass(slots=True)
class Device:
    """Sends ``count`` packages, numbered after ``first``, in threads of its own, each until it has a receipt for it."""

    target: str
    count: int
    first: int = 0
    receipts: list[str] = field(default_factory=list)
    failure: BaseException | None = None
    _numbers: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(1))
    _taken: int = 0
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Register, and begin to send."""
        with grpc.insecure_channel(self.target) as channel:
            devices = device_service_pb2_grpc.DeviceServiceStub(channel)
            device = device_pb2.Device(device_id=builders.DEVICE_ID)
            devices.RegisterDevice(device_service_pb2.RegisterDeviceRequest(device=device), timeout=TIMEOUT_S)
        self._threads = [threading.Thread(target=self._send, name=f"device-{n}") for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until every package has its receipt; raises what went wrong."""
        for thread in self._threads:
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _take(self) -> int | None:
        with self._numbers:
            if self._taken == self.count or self.failure is not None:
                return None
            self._taken += 1
            return self.first + self._taken

    def _send(self) -> None:
        try:
            with grpc.insecure_channel(self.target) as channel:
                stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
                while (number := self._take()) is not None:
                    descriptor, content = package(number)
                    request = ingestion_service_pb2.PutPackageRequest(descriptor=descriptor, content=content)
                    repeated(lambda request=request: stub.PutPackage(request, timeout=TIMEOUT_S))
                    self.receipts.append(descriptor.package_id)
        except BaseException as error:
            self.failure = error


def repeated(call: Callable[[], object], *, timeout_s: float = 300.0) -> object:
    """Repeat a call as a device does while the server says that it is worth it."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            worth = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
            if error.code() not in worth or time.monotonic() > deadline_s:  # type: ignore[attr-defined]  # a call too
                raise
        time.sleep(RETRY_S)

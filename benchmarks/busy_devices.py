"""Devices that send small requests as fast as they are answered, in a process or two of their own.

Run as a program with a kind of request, an address, how many devices and how many requests, it prepares all of them,
says "ready", waits for a line, sends, and prints a JSON list of the seconds that each answer took.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

import grpc
from google.protobuf.message import Message

from tests.tinysphere.ingestion.builders import METRICS, TAR, delimited, metric_point, packed
from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    ingestion_service_pb2,
    package_pb2,
)
from tinysphere.domain.ids import new_id

PACKAGE_BYTES = 10 << 10
POINTS = 160  # they fill the rest of a tar archive of that size
TIMEOUT_S = 60.0
PACKAGES, HEARTBEATS = "packages", "heartbeats"
METHODS = {
    PACKAGES: "/tinymlops.v1.IngestionService/PutPackage",
    HEARTBEATS: "/tinymlops.v1.DeviceService/Heartbeat",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the devices of one measurement saw."""

    device_count: int
    request_count: int
    per_s: float
    median_ms: float
    p99_ms: float


def send_from_devices(kind: str, address: str, device_count: int, request_count: int) -> Sent:
    """Sends from so many devices at once; two processes, as one would be busier than the server."""
    shares = [device_count] if device_count == 1 else [device_count // 2, device_count - device_count // 2]
    processes = [_started(kind, address, share, request_count * share // device_count) for share in shares]
    for process in processes:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the devices could not prepare their requests")
    began_s = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    took_s = [second for process in processes for second in _seconds(process)]
    wall_s = time.perf_counter() - began_s
    return Sent(
        device_count=device_count,
        request_count=len(took_s),
        per_s=len(took_s) / wall_s,
        median_ms=statistics.median(took_s) * 1000,
        p99_ms=statistics.quantiles(took_s, n=100)[98] * 1000,
    )


def _started(kind: str, address: str, device_count: int, request_count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.busy_devices", kind, address]
    command += [str(device_count), str(request_count)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _seconds(process: subprocess.Popen[str]) -> list[float]:
    output, _ = process.communicate(timeout=TIMEOUT_S)
    if process.returncode:
        raise RuntimeError("a request was refused")
    seconds: list[float] = json.loads(output.splitlines()[-1])
    return seconds


class Device:
    """One device with a connection of its own and its requests ready to go."""

    def __init__(self, kind: str, address: str, request_count: int) -> None:
        self._channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self._kind = kind
        self._call = self._channel.unary_unary(METHODS[kind])
        device_id = f"device-{new_id()}"
        device_service_pb2_grpc.DeviceServiceStub(self._channel).RegisterDevice(
            device_service_pb2.RegisterDeviceRequest(device=device_pb2.Device(device_id=device_id)),
            timeout=TIMEOUT_S,
        )
        made = packages(device_id) if kind == PACKAGES else heartbeats(device_id)
        self._requests = [message.SerializeToString() for message in islice(made, request_count)]
        self.took_s: list[float] = []

    def send(self) -> None:
        """Sends all, each after the answer to the one before."""
        for content in self._requests:
            began_s = time.perf_counter()
            answer: bytes = self._call(content, timeout=TIMEOUT_S)
            self.took_s.append(time.perf_counter() - began_s)
            if self._kind == PACKAGES:
                require_receipt(answer)


def require_receipt(answer: bytes) -> None:
    """Raises RuntimeError for anything but a receipt."""
    state = ingestion_service_pb2.PutPackageResponse.FromString(answer).package.state
    if state < package_pb2.PACKAGE_STATE_COMMITTED:
        raise RuntimeError(f"no receipt: {state}")


def packages(device_id: str) -> Iterator[Message]:
    """Valid packages of `PACKAGE_BYTES`: metric points in an archive."""
    while True:
        points = delimited(metric_point(name=f"latency_ms.{number}") for number in range(POINTS))
        descriptor, content = packed([("metrics.pb", METRICS, points)], TAR, device_id=device_id)
        if len(content) != PACKAGE_BYTES:
            raise RuntimeError(f"expected {PACKAGE_BYTES} bytes, packed {len(content)}")
        descriptor.device_id = device_id
        yield ingestion_service_pb2.PutPackageRequest(descriptor=descriptor, content=content)


def heartbeats(device_id: str) -> Iterator[Message]:
    """Heartbeats of one boot, each with more counted than the one before."""
    boot_id = new_id()
    for sequence in count(1):
        yield device_service_pb2.HeartbeatRequest(
            device_id=device_id,
            boot_id=boot_id,
            sequence=sequence,
            counters=device_pb2.DeviceCounters(prediction_count=30 * sequence, sent_bytes=1000 * sequence),
            status=device_pb2.DeviceStatus(outbox_count=sequence % 5, latency_ms=12.5, memory_bytes=90 << 20),
        )


def send() -> None:
    """Prepares, waits, sends."""
    kind, address, device_count, request_count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    devices = [Device(kind, address, request_count // device_count) for _ in range(device_count)]
    threads = [threading.Thread(target=device.send) for device in devices]
    print("ready", flush=True)
    sys.stdin.readline()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = [second for device in devices for second in device.took_s]
    if len(took_s) != device_count * (request_count // device_count):
        sys.exit("not every request was answered")
    print(json.dumps(took_s))


if __name__ == "__main__":
    send()

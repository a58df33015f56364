"""Fills a server's disk again and again, and counts: `python -m tests.reliability.server_disk`. It needs root.

A real `tinysphere serve ingestion` works on a small tmpfs. In each round most of it is taken away, a device sends until
it is refused and some times more, and the room comes back. The last line is one JSON object; the status is 1 when a
promise was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from tests.support.refusals import read_refusal
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually
from tests.tinysphere.ingestion.builders import (
    DEVICE_ID,
    METRICS,
    MODEL_STATE,
    TAR,
    delimited,
    metric_point,
    packed,
)
from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    ingestion_service_pb2_grpc,
    package_pb2,
)
from tinymlops.v1 import ingestion_service_pb2 as messages

FULL_ROUNDS = 20
DISK_MB, ROOM_BYTES, STATE_BYTES = 512, 8 * 1024 * 1024, 400 * 1024
MOST_SENT, MORE_SENT = 60, 5  # in one round: until it is refused, and after that
TIMEOUT_S = 120.0
_FULL = ("RESOURCE_EXHAUSTED DISK_FULL", "RESOURCE_EXHAUSTED DATABASE_FULL")


@dataclass(slots=True, kw_only=True)
class DiskRun:
    """What was counted."""

    taken: list[str] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Sender:
    """A device that sends packages like no other, each with a file and a point."""

    def __init__(self, address: str, run: DiskRun) -> None:
        self._channel = grpc.insecure_channel(address)
        self._packages = ingestion_service_pb2_grpc.IngestionServiceStub(self._channel)
        self._run = run
        self._number = 0
        request = device_service_pb2.RegisterDeviceRequest(device=device_pb2.Device(device_id=DEVICE_ID))
        device_service_pb2_grpc.DeviceServiceStub(self._channel).RegisterDevice(request, timeout=TIMEOUT_S)

    def send(self) -> bool:
        """One package; False when it is refused, as it should be without room."""
        self._number += 1
        state = (self._number.to_bytes(4, "little") * (STATE_BYTES // 4))[:STATE_BYTES]
        points = delimited([metric_point(value=self._number)])
        descriptor, content = packed([("state.bin", MODEL_STATE, state), ("points.pb", METRICS, points)], TAR)
        request = messages.PutPackageRequest(descriptor=descriptor, content=content)
        try:
            self._packages.PutPackage(request, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            refusal = read_refusal(error)
            told = f"{refusal.code} {refusal.reason}"
            self._run.refusals[told] += 1
            if told not in _FULL or not refusal.retry_after_s:
                self._run.faults.append(f"refused by {told}, after {refusal.retry_after_s} s again")
            return False
        self._run.taken.append(descriptor.package_id)
        return True

    def is_processed(self, package_id: str) -> bool:
        """Whether a worker is done with it, and it succeeded."""
        request = messages.GetPackageRequest(package_id=package_id)
        state = self._packages.GetPackage(request, timeout=TIMEOUT_S).package.state
        return state == package_pb2.PACKAGE_STATE_PROCESSED

    def close(self) -> None:
        """End the connection."""
        self._channel.close()


def run_disk(folder: Path, rounds: int) -> DiskRun:
    """Fill, send, make room, in a folder that is a small disk of its own."""
    run = DiskRun()
    server = ServerProcess(
        folder, "ingestion", settings={"drift_target": "127.0.0.1:1", "disk_floor_bytes": 1}
    )
    sender = Sender(server.addresses["ingestion"], run)
    try:
        for number in range(rounds):
            with _filled(folder / "ballast"):
                if all(sender.send() for _ in range(MOST_SENT)):
                    run.faults.append(f"round {number}: never refused")
                for _ in range(MORE_SENT):
                    sender.send()
            eventually(sender.send, timeout_s=TIMEOUT_S)
        _require_processed(run, sender)
    finally:
        sender.close()
        status = server.stop()
    if status != 0 or "Traceback" in server.errors:
        run.faults.append(f"the server ended with {status}: {server.errors[-1000:]}")
    return run


def _require_processed(run: DiskRun, sender: Sender) -> None:
    """Work that had no room is done, too."""
    for package_id in run.taken:
        try:
            eventually(lambda package_id=package_id: sender.is_processed(package_id), timeout_s=TIMEOUT_S)
        except AssertionError:
            run.faults.append(f"lost: {package_id} is not processed")


@contextmanager
def _filled(ballast: Path) -> Iterator[None]:
    """All but a little of the disk is taken while the block runs."""
    size_bytes = shutil.disk_usage(ballast.parent).free - ROOM_BYTES
    descriptor = os.open(ballast, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
        yield
    finally:
        os.close(descriptor)
        ballast.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A tmpfs at that folder; False where mounting is not allowed."""
    program = shutil.which("mount")
    command = [program or "mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    is_mounted = (
        program is not None and subprocess.run(command, check=False, capture_output=True).returncode == 0
    )
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, and tells."""
    parser = argparse.ArgumentParser(
        prog="tests.reliability.server_disk", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--rounds", type=int, default=FULL_ROUNDS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tinymlops-disk-") as name, small_disk(Path(name)) as is_mounted:
        if not is_mounted:
            parser.error("mounting a tmpfs needs root")
        run = run_disk(Path(name), options.rounds)
    for fault in run.faults[:50]:
        print(f"broken: {fault}", file=sys.stderr)
    figures = {
        "rounds": options.rounds,
        "taken": len(run.taken),
        "refusals": dict(run.refusals),
        "lost": sum(fault.startswith("lost") for fault in run.faults),
        "faults": len(run.faults),
    }
    quick = options.rounds < FULL_ROUNDS
    print(json.dumps({"name": "reliability.server_disk", "quick": quick, "figures": figures, "spread": {}}))
    return 1 if run.faults else 0


if __name__ == "__main__":
    sys.exit(main())

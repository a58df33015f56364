"""The server that takes hostile archives, watched from inside and outside."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import grpc

from demo.processes import Program, free_address
from demo.server import PAGE_SIZE, read_all
from tests.reliability.archives_craft import PROCESSED, STEP_FAILED, Crafted
from tests.support.refusals import read_refusal
from tests.support.waiting import eventually
from tests.tinysphere.ingestion.builders import DEVICE_ID
from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    ingestion_service_pb2,
    ingestion_service_pb2_grpc,
    package_pb2,
    telemetry_service_pb2,
    telemetry_service_pb2_grpc,
)

UNPACKED_MAX_BYTES = 16 * 1024 * 1024
_CALL_TIMEOUT_S = 60.0
_UNFINISHED = (package_pb2.PACKAGE_STATE_COMMITTED, package_pb2.PACKAGE_STATE_PROCESSING)


class ArchiveServer:
    """`tinysphere serve ingestion` with a private folder, in the middle of a folder where nothing may happen."""

    def __init__(self, around: Path) -> None:
        self.around = around
        self.private = around / "in" / "private"
        self.private.mkdir(parents=True)
        for decoy in ("passwd", "in/authorized_keys"):
            (around / decoy).write_text("as it was")
        self._report = around.parent / "escapes.txt"
        self._address = free_address()
        self.program = Program(
            "tinysphere",
            "tests.reliability.archives_watch",
            [str(self._report), str(self.private), "serve", "ingestion"],
            log_folder=around.parent / "logs",
            environment={
                "PYTHONDONTWRITEBYTECODE": "1",
                "TINYSPHERE_DATA_DIR": str(self.private),
                "TINYSPHERE_INGESTION_ADDRESS": self._address,
                "TINYSPHERE_PACKAGE_UNPACKED_MAX_BYTES": str(UNPACKED_MAX_BYTES),
                "TINYSPHERE_DISK_FLOOR_BYTES": "1",
            },
        )
        self._before: Mapping[str, str] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serves while the block runs; the device is registered."""
        self._before = seen_outside(self.around, self.private)
        self.program.start()
        try:
            self.program.wait_until_listening(self._address)
            with grpc.insecure_channel(self._address) as channel:
                self._packages = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
                self._telemetry = telemetry_service_pb2_grpc.TelemetryServiceStub(channel)
                request = device_service_pb2.RegisterDeviceRequest(
                    device=device_pb2.Device(device_id=DEVICE_ID)
                )
                device_service_pb2_grpc.DeviceServiceStub(channel).RegisterDevice(
                    request, timeout=_CALL_TIMEOUT_S
                )
                yield
        finally:
            self.program.stop()

    def put(self, crafted: Crafted) -> str:
        """Sends one archive; why it was refused at once, or an empty text."""
        request = ingestion_service_pb2.PutPackageRequest(
            descriptor=crafted.descriptor, content=crafted.content
        )
        try:
            self._packages.PutPackage(request, timeout=_CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            return read_refusal(error).reason
        return ""

    def wait_until_done(self, timeout_s: float) -> None:
        """Returns when every package is final; AssertionError when that takes longer."""

        def is_done() -> bool:
            requests = [
                ingestion_service_pb2.ListPackagesRequest(state=state, page_size=1) for state in _UNFINISHED
            ]
            return not any(
                self._packages.ListPackages(request, timeout=_CALL_TIMEOUT_S).packages for request in requests
            )

        eventually(is_done, timeout_s=timeout_s)

    def outcomes(self) -> Mapping[str, str]:
        """What became of each stored package: PROCESSED, STEP_FAILED, or the reason of its refusal."""
        request = ingestion_service_pb2.ListPackagesRequest(device_id=DEVICE_ID, page_size=PAGE_SIZE)
        found = read_all(self._packages.ListPackages, request, "packages")
        return {package.descriptor.package_id: _outcome(package) for package in found}

    def lines(self) -> list[str]:
        """Messages of every log record the server has taken over."""
        request = telemetry_service_pb2.SearchLogsRequest(page_size=PAGE_SIZE)
        return [one.record.message for one in read_all(self._telemetry.SearchLogs, request, "records")]

    def escapes(self) -> list[str]:
        """What the server touched outside its folder, and what is there now and was not, or is no more."""
        told = self._report.read_text().splitlines() if self._report.exists() else []
        after = seen_outside(self.around, self.private)
        changed = sorted(dict(self._before.items() ^ after.items()))
        strange = [
            str(path)
            for path in self.private.rglob("*")
            if path.is_symlink() or not (path.is_file() or path.is_dir())
        ]
        return told + changed + strange

    def disk_bytes(self) -> int:
        """What the private folder holds."""
        return sum(_size(path) for path in self.private.rglob("*"))


def seen_outside(around: Path, private: Path) -> Mapping[str, str]:
    """Digest of each file, target of each link, by path; of all but the private folder."""
    return {
        str(path): _facts(path)
        for path in around.rglob("*")
        if path != private and private not in path.parents
    }


def _facts(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    mode = oct(path.stat().st_mode)
    return f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else mode


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


def _outcome(package: package_pb2.Package) -> str:
    if package.state == package_pb2.PACKAGE_STATE_PROCESSED:
        return PROCESSED
    return package.error_reason or STEP_FAILED

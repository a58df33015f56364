"""The ingestion service as a device meets it: real gRPC, real stores, and a real drift service behind it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.waiting import eventually
from tests.tinysphere.ingestion.archive_shelf import Shelf
from tests.tinysphere.ingestion.builders import DEVICE_ID, describe
from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    drift_service_pb2_grpc,
    ingestion_service_pb2,
    ingestion_service_pb2_grpc,
    package_pb2,
)
from tinysphere.bootstrap import Build, Built, drift, ingestion
from tinysphere.rpc.server import RpcServer
from tinysphere.settings import Settings
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.sql.database import Database

KIB = 1024
FINAL = (package_pb2.PACKAGE_STATE_PROCESSED, package_pb2.PACKAGE_STATE_FAILED)


class ShiftedClock:
    """The machine's clock, moved on by a test."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingestion:
    """The service from outside, and what it stands on."""

    devices: device_service_pb2_grpc.DeviceServiceStub
    packages: ingestion_service_pb2_grpc.IngestionServiceStub
    channel: grpc.Channel
    database: Database
    blobs: FileBlobs
    clock: ShiftedClock
    server: RpcServer
    data_dir: Path

    def register(self, device_id: str = DEVICE_ID) -> None:
        """Register a device."""
        device = device_pb2.Device(device_id=device_id)
        self.devices.RegisterDevice(device_service_pb2.RegisterDeviceRequest(device=device))

    def serves(self) -> bool:
        """Whether the server says that it takes calls."""
        try:
            answer = health_pb2_grpc.HealthStub(self.channel).Check(health_pb2.HealthCheckRequest())
        except grpc.RpcError:
            return False
        return answer.status == health_pb2.HealthCheckResponse.SERVING

    def put(self, descriptor: package_pb2.PackageDescriptor, content: bytes) -> package_pb2.Package:
        """Send a small package."""
        request = ingestion_service_pb2.PutPackageRequest(descriptor=descriptor, content=content)
        return self.packages.PutPackage(request).package

    def create(self, content: bytes, **changes: Any) -> package_pb2.Upload:
        """Open a resumable upload."""
        request = ingestion_service_pb2.CreateUploadRequest(descriptor=describe(content, **changes))
        return self.packages.CreateUpload(request).upload

    def upload(self, upload_id: str) -> package_pb2.Upload:
        """One upload."""
        return self.packages.GetUpload(ingestion_service_pb2.GetUploadRequest(upload_id=upload_id)).upload

    def package(self, package_id: str) -> package_pb2.Package:
        """One package."""
        request = ingestion_service_pb2.GetPackageRequest(package_id=package_id)
        return self.packages.GetPackage(request).package

    def ended(self, package_id: str) -> package_pb2.Package:
        """The package when its processing ended."""

        def look() -> package_pb2.Package | None:
            package = self.package(package_id)
            return package if package.state in FINAL else None

        return eventually(look)  # type: ignore[return-value]  # true only for a package


@contextmanager
def served(
    build: Build, settings: Settings, database: Database, blobs: FileBlobs, clock: ShiftedClock
) -> Iterator[tuple[RpcServer, str]]:
    """One service with its background work; yields its server and "host:port"."""
    built: Built = build(settings, database, blobs, clock=clock)
    server = RpcServer(settings.ingestion_address, built.registrations, settings=settings)
    port = server.start()
    for background in built.background:
        background.start()
    yield server, f"127.0.0.1:{port}"
    server.stop(grace_s=5)
    for background in reversed(built.background):
        background.stop()


Serve = Callable[..., Ingestion]
DriftService = tuple[str, drift_service_pb2_grpc.DriftServiceStub]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Call it with settings to get a running service; by default nobody listens where drift would be."""
    with ExitStack() as stack:

        def start(database_url: str = f"sqlite:///{tmp_path}/tinysphere.db", **changes: Any) -> Ingestion:
            facts: dict[str, Any] = {
                "data_dir": tmp_path,
                "drift_target": "127.0.0.1:1",
                "ingestion_address": "127.0.0.1:0",
                "rpc_threads": 16,
                "upload_chunk_bytes": 16 * KIB,
                "upload_chunk_max_bytes": 64 * KIB,
                "upload_commit_bytes": 64 * KIB,
                "disk_floor_bytes": 1,
            }
            settings = Settings(**{**facts, **changes})
            database = Database(database_url)
            stack.callback(database.dispose)
            database.migrate()
            blobs, clock = FileBlobs(tmp_path / "blobs"), ShiftedClock()
            server, address = stack.enter_context(served(ingestion.build, settings, database, blobs, clock))
            channel = stack.enter_context(grpc.insecure_channel(address))
            return Ingestion(
                devices=device_service_pb2_grpc.DeviceServiceStub(channel),
                packages=ingestion_service_pb2_grpc.IngestionServiceStub(channel),
                channel=channel,
                database=database,
                blobs=blobs,
                clock=clock,
                server=server,
                data_dir=tmp_path,
            )

        yield start


@pytest.fixture
def service(serve: Serve) -> Ingestion:
    """A running service that knows one device."""
    service = serve()
    service.register()
    return service


@pytest.fixture
def drift_service(tmp_path: Path) -> Iterator[tuple[str, drift_service_pb2_grpc.DriftServiceStub]]:
    """A real drift service with a database of its own: where it listens, and its stub."""
    settings = Settings(data_dir=tmp_path, ingestion_target="127.0.0.1:1", ingestion_address="127.0.0.1:0")
    database = Database(f"sqlite:///{tmp_path}/drift.db")
    database.migrate()
    blobs = FileBlobs(tmp_path / "drift-blobs")
    with (
        served(drift.build, settings, database, blobs, ShiftedClock()) as (_, address),
        grpc.insecure_channel(address) as channel,
    ):
        yield address, drift_service_pb2_grpc.DriftServiceStub(channel)
    database.dispose()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Where archives are read from."""
    return Shelf(tmp_path)

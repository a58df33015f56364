"""A real server process is killed at any moment: nothing acknowledged is lost, nothing is taken over twice."""

import random
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually
from tests.tinysphere.ingestion.builders import (
    DEVICE_ID,
    DRIFT_EVENTS,
    METRICS,
    TAR,
    delimited,
    describe,
    drift_event,
    metric_point,
    packed,
    sha256,
)
from tests.tinysphere.ingestion.conftest import DriftService, Ingestion
from tests.tinysphere.ingestion.sender import Sender
from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    drift_service_pb2,
    ingestion_service_pb2_grpc,
    package_pb2,
)
from tinymlops.v1 import ingestion_service_pb2 as messages

KIB = 1024
CONTENT = random.Random(5).randbytes(2048 * KIB)
KILLS = 6


class Server:
    """The ingestion service in a process of its own, and how a device reaches it."""

    def __init__(self, data_dir: Path, **settings: object) -> None:
        facts = {"upload_commit_bytes": 64 * KIB, "drift_target": "127.0.0.1:1", "disk_floor_bytes": 1}
        self.process = ServerProcess(data_dir, "ingestion", settings=facts | settings)
        self.channel = grpc.insecure_channel(self.process.addresses["ingestion"])
        self.devices = device_service_pb2_grpc.DeviceServiceStub(self.channel)
        self.packages = ingestion_service_pb2_grpc.IngestionServiceStub(self.channel)

    def register(self) -> None:
        device = device_pb2.Device(device_id=DEVICE_ID)
        self.devices.RegisterDevice(device_service_pb2.RegisterDeviceRequest(device=device))

    def upload(self, upload_id: str) -> package_pb2.Upload:
        return self.packages.GetUpload(messages.GetUploadRequest(upload_id=upload_id)).upload

    def package(self, package_id: str) -> package_pb2.Package:
        return self.packages.GetPackage(messages.GetPackageRequest(package_id=package_id)).package

    def kill(self) -> None:
        self.process.kill()
        self.channel.close()

    def stop(self) -> None:
        assert self.process.stop() == 0
        self.channel.close()


@contextmanager
def running(data_dir: Path, **settings: object) -> Iterator[Server]:
    server = Server(data_dir, **settings)
    try:
        yield server
    finally:
        if server.process.process.poll() is None:
            server.stop()


def test_no_acknowledged_byte_is_lost_however_often_the_server_is_killed(tmp_path: Path) -> None:
    rng = random.Random(6)
    server = Server(tmp_path)
    server.register()
    descriptor = describe(CONTENT, TAR)
    request = messages.CreateUploadRequest(descriptor=descriptor)
    upload_id = server.packages.CreateUpload(request).upload.upload_id
    acknowledged = 0
    for _ in range(KILLS):
        upload = server.upload(upload_id)
        assert upload.committed_offset >= acknowledged
        with Sender(server.packages, upload_id, upload.committed_offset) as sender:
            sender.chunks(CONTENT, upload.committed_offset)
            for _ in range(rng.randrange(1, 5)):
                acknowledged = sender.acknowledged()
            server.kill()
        server = Server(tmp_path)
    upload = server.upload(upload_id)
    assert acknowledged <= upload.committed_offset < len(CONTENT)
    with Sender(server.packages, upload_id, upload.committed_offset) as sender:
        sender.chunks(CONTENT, upload.committed_offset)
        sender.finish()
        assert sender.done().descriptor == descriptor
    server.stop()
    assert (tmp_path / "blobs" / sha256(CONTENT)[:2] / sha256(CONTENT)).read_bytes() == CONTENT
    assert list((tmp_path / "uploads").glob("*.part")) == []


def test_bytes_written_but_never_recorded_do_not_count(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.register()
    upload_id = server.packages.CreateUpload(
        messages.CreateUploadRequest(descriptor=describe(CONTENT, TAR))
    ).upload.upload_id
    with Sender(server.packages, upload_id) as sender:
        sender.chunks(CONTENT, 0, 64 * KIB)
        assert sender.acknowledged() == 64 * KIB
        server.kill()
    part = tmp_path / "uploads" / f"{upload_id}.part"
    with part.open("ab") as file:
        file.write(b"\0" * 5000)  # what a power cut may leave of writes nobody synced
    with running(tmp_path) as again:
        assert again.upload(upload_id).committed_offset == 64 * KIB
        with Sender(again.packages, upload_id, 64 * KIB) as sender:
            sender.chunks(CONTENT, 64 * KIB)
            sender.finish()
            assert sender.done().descriptor.sha256 == sha256(CONTENT)


def test_a_file_shorter_than_its_row_is_believed(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.register()
    upload_id = server.packages.CreateUpload(
        messages.CreateUploadRequest(descriptor=describe(CONTENT, TAR))
    ).upload.upload_id
    with Sender(server.packages, upload_id) as sender:
        sender.chunks(CONTENT, 0, 128 * KIB)
        assert [sender.acknowledged(), sender.acknowledged()] == [64 * KIB, 128 * KIB]
        server.kill()
    (tmp_path / "uploads" / f"{upload_id}.part").write_bytes(CONTENT[: 100 * KIB])
    with running(tmp_path) as again:
        assert again.upload(upload_id).committed_offset == 100 * KIB
        with Sender(again.packages, upload_id, 100 * KIB) as sender:
            sender.chunks(CONTENT, 100 * KIB)
            sender.finish()
            assert sender.done().descriptor.sha256 == sha256(CONTENT)


@pytest.mark.parametrize("moment", ["all bytes recorded", "blob stored"])
def test_a_finish_cut_short_is_replayed(tmp_path: Path, moment: str) -> None:
    """The two moments inside a finish where only part of it is durable, made by hand."""
    server = Server(tmp_path)
    server.register()
    descriptor = describe(CONTENT, TAR)
    request = messages.CreateUploadRequest(descriptor=descriptor)
    upload_id = server.packages.CreateUpload(request).upload.upload_id
    with Sender(server.packages, upload_id) as sender:
        sender.chunks(CONTENT)
        while sender.acknowledged() < len(CONTENT):
            pass
        server.kill()
    if moment == "blob stored":
        folder = tmp_path / "blobs" / descriptor.sha256[:2]
        folder.mkdir()
        (folder / descriptor.sha256).hardlink_to(tmp_path / "uploads" / f"{upload_id}.part")
    with running(tmp_path) as again:
        assert again.upload(upload_id).committed_offset == len(CONTENT)
        with Sender(again.packages, upload_id, len(CONTENT)) as sender:
            sender.finish()
            assert sender.done().descriptor == descriptor
    assert (tmp_path / "blobs" / sha256(CONTENT)[:2] / sha256(CONTENT)).read_bytes() == CONTENT


def test_a_received_package_survives_and_is_processed(tmp_path: Path) -> None:
    points = delimited(metric_point(value=float(number)) for number in range(50))
    descriptor, content = packed([("metrics.pb", METRICS, points)])
    server = Server(tmp_path, worker_lease_s=1)
    server.register()
    request = messages.PutPackageRequest(descriptor=descriptor, content=content)
    assert server.packages.PutPackage(request).package.state == package_pb2.PACKAGE_STATE_COMMITTED
    server.kill()
    with running(tmp_path, worker_lease_s=1) as again:
        eventually(lambda: again.package(descriptor.package_id).state == package_pb2.PACKAGE_STATE_PROCESSED)
    with sqlite3.connect(tmp_path / "tinysphere.db") as database:
        assert database.execute("SELECT count(*) FROM metric_points").fetchone() == (50,)
    database.close()


def test_a_worker_killed_in_the_middle_leaves_its_package_to_the_next(
    tmp_path: Path, drift_service: DriftService
) -> None:
    entries = [
        ("events.pb", DRIFT_EVENTS, delimited([drift_event()])),
        ("metrics.pb", METRICS, delimited([metric_point()] * 50)),
    ]
    descriptor, content = packed(entries)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        server = Server(tmp_path, drift_target=target, worker_lease_s=1)
        server.register()
        server.packages.PutPackage(messages.PutPackageRequest(descriptor=descriptor, content=content))
        processing = package_pb2.PACKAGE_STATE_PROCESSING
        eventually(lambda: server.package(descriptor.package_id).state == processing)
        eventually(lambda: server.package(descriptor.package_id).steps)
        server.kill()
    live_target, stub = drift_service
    with running(tmp_path, drift_target=live_target, worker_lease_s=1) as again:
        processed = package_pb2.PACKAGE_STATE_PROCESSED
        eventually(lambda: again.package(descriptor.package_id).state == processed)
    request = drift_service_pb2.ListDriftEventsRequest()
    assert len(stub.ListDriftEvents(request).drift_events) == 1


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path, service: Ingestion) -> None:
    with pytest.raises(AssertionError, match="DATA_DIR_IN_USE"):
        Server(tmp_path)

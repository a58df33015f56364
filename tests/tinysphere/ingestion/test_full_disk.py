"""A server whose disk is full, for real: a small tmpfs. It says so, keeps what it took, and recovers by itself."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.conftest import Need
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

SIZE_MB, LARGER_MB = 12, 64
KIB = 1024
MOUNT = shutil.which("mount")


def mount(*arguments: str) -> bool:
    if MOUNT is None:
        return False
    return subprocess.run([MOUNT, *arguments], check=False, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path, need: Need) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    is_mounted = mount("-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder))
    need("tmpfs", is_mounted, "mounting needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_told_and_recovered_from(small_disk: Path) -> None:
    server = ServerProcess(
        small_disk, "ingestion", settings={"drift_target": "127.0.0.1:1", "disk_floor_bytes": 1}
    )
    with grpc.insecure_channel(server.addresses["ingestion"]) as channel:
        devices = device_service_pb2_grpc.DeviceServiceStub(channel)
        packages = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
        devices.RegisterDevice(
            device_service_pb2.RegisterDeviceRequest(device=device_pb2.Device(device_id=DEVICE_ID))
        )

        def put(number: int) -> package_pb2.Package:
            state = number.to_bytes(4, "little") * (100 * KIB)
            points = delimited([metric_point()])
            descriptor, content = packed(
                [("state.bin", MODEL_STATE, state), ("points.pb", METRICS, points)], TAR
            )
            request = messages.PutPackageRequest(descriptor=descriptor, content=content)
            return packages.PutPackage(request, timeout=60).package

        taken = []
        with pytest.raises(grpc.RpcError) as caught:
            for number in range(3 * SIZE_MB):
                taken.append(put(number).descriptor.package_id)
        refusal = read_refusal(caught.value)
        assert refusal.code == "RESOURCE_EXHAUSTED"
        assert refusal.reason in ("DISK_FULL", "DATABASE_FULL")
        assert refusal.retry_after_s
        assert taken, "some had room"

        assert mount("-o", f"remount,size={LARGER_MB}m", str(small_disk))
        taken.append(put(999).descriptor.package_id)
        for package_id in taken:  # work that had no room is done, too
            request = messages.GetPackageRequest(package_id=package_id)
            eventually(
                lambda request=request: (
                    packages.GetPackage(request, timeout=60).package.state
                    == package_pb2.PACKAGE_STATE_PROCESSED
                ),
                timeout_s=120,
            )
    assert server.stop() == 0
    assert "Traceback" not in server.errors

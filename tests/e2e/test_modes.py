"""A person changes a device's mode at the server: the running daemon follows, and keeps it on its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from demo.processes import Program
from demo.server import TIMEOUT_S, Server
from tests.e2e.conftest import StartServer
from tests.support.waiting import eventually
from tests.tinylcm.builders import labelled_images
from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.daemon.conftest import home as home
from tests.tinylcm.daemon.conftest import tiny_bundle_file as tiny_bundle_file
from tinylcm.daemon.status import read_status
from tinylcm.settings import load_settings
from tinymlops.v1 import device_pb2, device_service_pb2

DEVICE_ID = "camera-1"
PATIENCE_S = 60
FRAME_COUNT = 20
CONFIGURATION = """\
[device]
device_id = "{device_id}"
data_dir = "state"

[source]
path = "inbox"
at_end = "wait"

[model]
trusted_keys = ["release.pub.pem"]

[server]
ingestion_target = "{ingestion}"
drift_target = "{drift}"
distribution_target = "{distribution}"
retry_max_s = 1.0
"""


class Daemon:
    """`tinylcm run` as a process, and what `tinylcm status` says of its folder."""

    def __init__(self, home: DeviceFolder, server: Server) -> None:
        self._home = home
        home.install()
        self._configuration = home.folder / "device.toml"
        self._configuration.write_text(CONFIGURATION.format(device_id=DEVICE_ID, **server.addresses))
        self.program = Program(
            "tinylcm",
            "tinylcm.daemon",
            ["run", "--config", str(self._configuration)],
            log_folder=home.folder / "logs",
        )

    def status(self) -> Any:
        """What `tinylcm status` prints."""
        return read_status(load_settings(self._configuration))

    def works(self) -> None:
        """Shows it frames, and waits until it has classified them."""
        before = self._prediction_count()
        self._home.record(f"frames-{before}", labelled_images(FRAME_COUNT, seed=before)[0])
        eventually(lambda: self._prediction_count() >= before + FRAME_COUNT, timeout_s=PATIENCE_S)
        self.program.require_running()

    def _prediction_count(self) -> int:
        return sum(path.read_text().count("\n") for path in self._home.state.glob("predictions*.jsonl*"))


@pytest.fixture
def daemon(home: DeviceFolder, start_server: StartServer) -> Iterator[tuple[Daemon, Server]]:
    server = start_server()
    daemon = Daemon(home, server)
    daemon.program.start()
    yield daemon, server
    daemon.program.stop()


def known(server: Server) -> device_pb2.Device | None:
    """The device as the server lists it, once it has registered and said that its model runs."""
    devices = server.devices.ListDevices(device_service_pb2.ListDevicesRequest(), timeout=TIMEOUT_S).devices
    return next((one for one in devices if one.status.running_model.bundle_sha256), None)


def update(server: Server, mode: device_pb2.Mode.ValueType) -> None:
    request = device_service_pb2.UpdateDeviceRequest(
        device=device_pb2.Device(device_id=DEVICE_ID, mode=mode), update_mask=FieldMask(paths=["mode"])
    )
    assert server.devices.UpdateDevice(request, timeout=TIMEOUT_S).device.mode == mode


def test_a_running_daemon_follows_and_keeps_its_mode(daemon: tuple[Daemon, Server]) -> None:
    device, server = daemon
    eventually(lambda: known(server), timeout_s=PATIENCE_S)
    assert device.status()["mode"] == "VALIDATED_LEARNING"

    update(server, device_pb2.MODE_MONITORING_ONLY)
    eventually(lambda: device.status()["mode"] == "MONITORING_ONLY", timeout_s=PATIENCE_S)
    device.works()

    server.kill()
    device.program.stop()
    device.program.start()
    device.works()
    assert device.status()["mode"] == "MONITORING_ONLY", "a restart without any network"

    server.start()
    contact = device.status()["outbox"]["last_contact_time"]
    eventually(lambda: device.status()["outbox"]["last_contact_time"] != contact, timeout_s=PATIENCE_S)
    assert server.device(DEVICE_ID).mode == device_pb2.MODE_MONITORING_ONLY, "a restart tells no other mode"
    assert device.status()["mode"] == "MONITORING_ONLY"

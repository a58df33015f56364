"""Boots that never met the server: what they counted arrives with the first link, once, on the real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from demo.server import Server
from tests.support.waiting import eventually
from tests.tinylcm.builders import labelled_images, novel_images
from tests.tinylcm.bundles import tiny_bundle
from tests.tinylcm.daemon.conftest import DeviceFolder, frames_of, show
from tinylcm.daemon.build import Device
from tinymlops.v1 import device_pb2, device_service_pb2

DEVICE_ID = "camera-1"
NOWHERE = "127.0.0.1:9"
STOPPED_AT, KILLED_AT = 40, 110


@pytest.fixture
def home(tmp_path: Path) -> Iterator[DeviceFolder]:
    tiny_bundle(tmp_path / "tiny-1.bundle")
    folder = DeviceFolder(tmp_path, tmp_path / "tiny-1.bundle")
    yield folder
    folder.close()


def boot(home: DeviceFolder, images: np.ndarray, *, until: int) -> Device:
    """A boot that goes on where the last checkpoint was, and finds no network."""
    device = home.open()
    assert device.connection is not None
    device.connection.session.round()
    show(device, frames_of(images[:until], device, first_index=device.first_index))
    return device


def stop(device: Device) -> None:
    """The orderly end."""
    device.inbox.close()
    device.inference.run()


def counters(server: Server) -> device_pb2.DeviceCounters:
    request = device_service_pb2.GetDeviceRequest(device_id=DEVICE_ID)
    return server.devices.GetDevice(request, timeout=20).device.counters


def tell(device: Device) -> None:
    """Rounds until a heartbeat was accepted."""
    connection = device.connection
    assert connection is not None

    def is_told() -> bool:
        connection.session.round()
        return device.outbox.value("last_contact_time") is not None

    eventually(is_told)


def test_three_boots_alone_then_a_link(home: DeviceFolder, server: Server) -> None:
    images = np.concatenate([labelled_images(60, seed=11)[0], novel_images(60), novel_images(30)])
    home.install()
    home.serve_from(NOWHERE)
    stop(boot(home, images, until=STOPPED_AT))
    killed = boot(home, images, until=KILLED_AT)
    event_count = killed.vitals.counters.drift_events
    assert event_count >= 1
    third = boot(home, images, until=len(images))
    assert STOPPED_AT < third.first_index <= KILLED_AT, "frames after the last checkpoint are seen again"
    event_count += third.vitals.counters.drift_events
    stop(third)

    home.serve_from(server.addresses["ingestion"])
    tell(home.open())
    assert counters(server).prediction_count == len(images)
    assert counters(server).drift_event_count == event_count

    tell(home.open())  # and nothing counts twice with the boots after it
    assert counters(server).prediction_count == len(images)
    assert counters(server).drift_event_count == event_count

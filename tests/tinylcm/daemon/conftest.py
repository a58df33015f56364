"""A whole device in one process, built anew as a restart does, its threads driven by hand or running."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from numpy.typing import NDArray

from tests.tinylcm.builders import KEY, labelled_images, novel_images
from tests.tinylcm.bundles import tiny_bundle
from tinylcm.daemon.build import Device, build_device
from tinylcm.daemon.layout import open_slots
from tinylcm.records import Frame
from tinylcm.settings import Settings, parse_settings

KNOWN_COUNT, NOVEL_COUNT = 60, 60


class DeviceFolder:
    """Everything a device has on disk, under one folder."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self.bundle = bundle
        public_key = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / "release.pub.pem").write_bytes(public_key)
        self.tables: dict[str, dict[str, object]] = {
            "device": {"device_id": "camera-1"},
            "source": {"path": "inbox", "at_end": "stop"},
            "model": {"trusted_keys": ["release.pub.pem"], "trial_frame_count": 20},
            "snapshots": {"every_frame_count": 25},
            "adaptation": {"evidence_sample_count": 12, "collect_sample_count": 30},
        }
        self._opened: list[Device] = []

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def settings(self) -> Settings:
        return parse_settings(self.tables, folder=self.folder)

    def serve_from(self, address: str) -> None:
        """Gives the device a server."""
        names = ("ingestion_target", "drift_target", "distribution_target")
        self.tables["server"] = dict.fromkeys(names, address) | {"retry_max_s": 0.5}

    def install(self) -> None:
        """Gives the device its bundle by hand."""
        open_slots(self.settings()).install(self.bundle)

    def bundle_sha256(self) -> str:
        return hashlib.sha256(self.bundle.read_bytes()).hexdigest()

    def record(self, name: str, images: NDArray[np.uint8]) -> None:
        """Puts a recording into the inbox."""
        np.savez(self.inbox / f"{name}.npz", frames=images)

    def open(self) -> Device:
        """Builds the device anew; what ran before is left as a crash leaves it."""
        self.close()
        return self.keep(build_device(self.settings(), stopping=threading.Event(), wake=threading.Event()))

    def keep(self, device: Device) -> Device:
        """Closes the device at the end of the test, or when another is opened."""
        self._opened.append(device)
        return device

    def close(self) -> None:
        while self._opened:
            device = self._opened.pop()
            device.inbox.close()
            device.adapting.shutdown()
            device.disk.shutdown()
            if device.connection is not None:
                device.connection.servers.close()
            device.outbox.close()


@pytest.fixture(scope="session")
def tiny_bundle_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bundle, made once."""
    path = tmp_path_factory.mktemp("bundle") / "tiny-1.bundle"
    tiny_bundle(path)
    return path


@pytest.fixture
def home(tmp_path: Path, tiny_bundle_file: Path) -> Iterator[DeviceFolder]:
    folder = DeviceFolder(tmp_path, Path(shutil.copy(tiny_bundle_file, tmp_path)))
    yield folder
    folder.close()


@pytest.fixture(scope="session")
def drifting_images() -> NDArray[np.uint8]:
    """Pictures of known classes, then of one that nobody knows."""
    return np.concatenate([labelled_images(KNOWN_COUNT, seed=11)[0], novel_images(NOVEL_COUNT)])


def frames_of(images: NDArray[np.uint8], device: Device, *, first_index: int = 0) -> Iterator[Frame]:
    """The frames of a recording, as the source makes them."""
    for index in range(first_index, len(images)):
        yield Frame(source_index=index, capture_time=device.clock.now(), content=images[index])


def show(device: Device, frames: Iterator[Frame]) -> None:
    """Lets the inference thread's code see frames, one step each, in this thread, and the disk keep up."""
    for frame in frames:
        assert device.inbox.put_frame(frame)
        device.inference.step()
        device.inference.settle()

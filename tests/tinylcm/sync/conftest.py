"""A device's sending side against a server in memory, over real gRPC on loopback."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.sphere import FakeSphere
from tests.tinylcm.builders import MODEL, TRUSTED, HandClock
from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.adapters.slots import BundleSlots
from tinylcm.adapters.tflite import find_engine
from tinylcm.ports import Clock
from tinylcm.records import FeedbackItem, Mode, ModelReference
from tinylcm.settings import ServerSettings
from tinylcm.sync.boots import Boots
from tinylcm.sync.client import Servers
from tinylcm.sync.contact import Contact
from tinylcm.sync.delivery import Delivery
from tinylcm.sync.deployments import DeploymentLog
from tinylcm.sync.feedback import FeedbackFetcher
from tinylcm.sync.local import DeviceIdentity, DeviceReport
from tinylcm.sync.models import ModelFetcher
from tinylcm.sync.pace import Pace
from tinylcm.sync.session import Session
from tinylcm.sync.tally import TransferTally
from tinylcm.sync.upload import Uploader

DEVICE_ID = "camera-1"


class RecordingDevice:
    """The rest of the device, as the sync thread sees it: remembers what it was told."""

    def __init__(self) -> None:
        self.running_model: ModelReference | None = MODEL
        self.delivered: list[FeedbackItem] = []
        self.has_room = True
        self.modes: list[Mode] = []
        self.activations = 0

    def report(self) -> DeviceReport:
        return DeviceReport(
            running_model=self.running_model,
            prediction_count=7,
            drift_event_count=2,
            adaptation_count=1,
            drifting=True,
            quarantine_count=3,
            latency_ms=1.5,
            memory_bytes=50_000_000,
        )

    def deliver_feedback(self, items: Sequence[FeedbackItem]) -> bool:
        if self.has_room:
            self.delivered += items
        return self.has_room

    def change_mode(self, mode: Mode) -> None:
        self.modes.append(mode)

    def activate_model(self) -> None:
        self.activations += 1


class Rig:
    """Every part of the sending side, wired as the daemon wires them."""

    def __init__(
        self, address: str, folder: Path, clock: Clock, *, others: tuple[str, str] | None = None
    ) -> None:
        drift_address, distribution_address = others or (address, address)
        self.settings = ServerSettings(
            ingestion_target=address,
            drift_target=drift_address,
            distribution_target=distribution_address,
            request_timeout_s=20.0,
            stall_timeout_s=20.0,
            retry_max_s=8.0,
            max_bytes_per_s=0.0,
        )
        self.folder = folder
        self.clock = clock
        self.device = RecordingDevice()
        self.tally = TransferTally()
        self.servers = Servers(self.settings)
        self.outbox = SqliteOutbox(folder / "outbox", max_bytes=64 << 20, max_age_s=1e6, clock=clock)
        self.slots = BundleSlots(
            folder / "slots", trusted_keys=TRUSTED, runtime=find_engine()[1], machine="x86_64"
        )
        self.deployments = DeploymentLog(self.outbox)
        self.uploader = self.make_uploader()
        self.contact = self.make_contact()
        self.feedback = FeedbackFetcher(
            self.servers, self.device, device_id=DEVICE_ID, clock=clock, timeout_s=20.0
        )
        self.delivery = Delivery(
            self.servers,
            self.outbox,
            self.uploader,
            device_id=DEVICE_ID,
            timeout_s=20.0,
            answered=self.feedback.forget,
        )
        self.models = self.make_models()
        self.session = self.make_session()

    def make_uploader(self, **changes: float) -> Uploader:
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]  # numbers only
        return Uploader(
            self.servers,
            device_id=DEVICE_ID,
            settings=settings,
            tally=self.tally,
            pace=Pace(settings.max_bytes_per_s, monotonic_s=time.monotonic),
        )

    def make_contact(self) -> Contact:
        self.boots = Boots(self.clock.new_id(), self.device.report, self.tally)
        identity = DeviceIdentity(
            device_id=DEVICE_ID,
            display_name="Gate 1",
            labels={"site": "hall-2"},
            location=(0.0, 0.0),
            mode=Mode.VALIDATED_LEARNING,
            machine="x86_64",
            operating_system="Linux 6.1",
            python_version="3.11.7",
            runtime="ai-edge-litert 2.3.0",
            tinylcm_version="0.1.0",
            memory_bytes=1 << 30,
        )
        return Contact(
            self.servers,
            identity,
            self.device,
            self.outbox,
            boots=self.boots,
            clock=self.clock,
            rng=random.Random(1),
            timeout_s=20.0,
        )

    def make_models(self) -> ModelFetcher:
        return ModelFetcher(
            self.servers,
            self.slots,
            self.deployments,
            self.device,
            device_id=DEVICE_ID,
            clock=self.clock,
            settings=self.settings,
        )

    def make_session(self) -> Session:
        session = Session(
            self.contact,
            self.delivery,
            self.feedback,
            self.models,
            tally=self.tally,
            clock=self.clock,
            rng=random.Random(2),
            retry_max_s=8.0,
        )
        self.uploader.between_acknowledgements = session.keep_in_touch
        return session

    def close(self) -> None:
        self.servers.close()
        self.outbox.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def sphere() -> Iterator[FakeSphere]:
    with FakeSphere() as server:
        yield server


@pytest.fixture
def rig(sphere: FakeSphere, tmp_path: Path, clock: HandClock) -> Iterator[Rig]:
    built = Rig(sphere.address, tmp_path, clock)
    yield built
    built.close()


@pytest.fixture
def registered(rig: Rig) -> Rig:
    """A rig whose device the server knows."""
    rig.contact.keep()
    return rig

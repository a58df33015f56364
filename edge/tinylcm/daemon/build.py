"""The composition root: settings in, a device ready to run out."""

import os
import platform
import random
import sqlite3
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tinylcm.adapters.clock import SystemClock
from tinylcm.adapters.files import make_folder
from tinylcm.adapters.keys import load_trusted_keys
from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.adapters.prediction_log import PredictionLog
from tinylcm.adapters.slots import BundleSlots
from tinylcm.adapters.tflite import find_engine
from tinylcm.daemon.checkpoints import Checkpoints
from tinylcm.daemon.device import DeviceSide
from tinylcm.daemon.engine import engine_factory
from tinylcm.daemon.feeder import Feeder
from tinylcm.daemon.inbox import Inbox
from tinylcm.daemon.inference import InferenceLoop
from tinylcm.daemon.inputs import make_source
from tinylcm.daemon.models import Models
from tinylcm.daemon.predictions import Predictions
from tinylcm.daemon.ration import SampleRation
from tinylcm.daemon.starts import Starts
from tinylcm.daemon.vitals import Vitals
from tinylcm.errors import StorageFullError
from tinylcm.ports import Clock
from tinylcm.settings import ServerSettings, Settings
from tinylcm.sync.client import Servers
from tinylcm.sync.contact import Contact, registered_mode
from tinylcm.sync.delivery import Delivery
from tinylcm.sync.deployments import DeploymentLog
from tinylcm.sync.feedback import FeedbackFetcher
from tinylcm.sync.local import DeviceIdentity, LocalDevice
from tinylcm.sync.models import ModelFetcher
from tinylcm.sync.pace import Pace
from tinylcm.sync.packing import Packer
from tinylcm.sync.session import Session
from tinylcm.sync.tally import TransferTally
from tinylcm.sync.upload import Uploader


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a device keeps what it must not lose, under its data folder."""

    data_dir: Path

    @property
    def slots(self) -> Path:
        """The two model slots."""
        return self.data_dir / "slots"

    @property
    def snapshots(self) -> Path:
        """A folder of snapshots for each bundle."""
        return self.data_dir / "snapshots"

    @property
    def outbox(self) -> Path:
        """The outbox's database and packages."""
        return self.data_dir / "outbox"

    @property
    def predictions(self) -> Path:
        """The newest prediction log."""
        return self.data_dir / "predictions.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the one daemon that may use the folder."""
        return self.data_dir / "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device ready to run; `session` and `servers` are None for one that works alone."""

    clock: Clock
    disk: Executor
    inbox: Inbox
    outbox: SqliteOutbox
    slots: BundleSlots
    deployments: DeploymentLog
    packer: Packer
    vitals: Vitals
    ration: SampleRation
    starts: Starts
    models: Models
    inference: InferenceLoop
    feeder: Feeder
    first_index: int
    servers: Servers | None
    session: Session | None


def open_slots(settings: Settings) -> BundleSlots:
    """Opens the model slots of a device."""
    _, runtime = find_engine()
    return BundleSlots(
        Layout(data_dir=settings.device.data_dir).slots,
        trusted_keys=load_trusted_keys(settings.model.trusted_keys),
        runtime=runtime,
        machine=platform.machine(),
    )


def open_outbox(settings: Settings, clock: Clock) -> SqliteOutbox:
    """Opens the outbox of a device.

    Raises:
        StorageFullError: The disk has not even room to open it.
    """
    folder = Layout(data_dir=settings.device.data_dir).outbox
    try:
        return SqliteOutbox(
            folder, max_bytes=settings.outbox.max_bytes, max_age_s=settings.outbox.max_age_s, clock=clock
        )
    except sqlite3.OperationalError as error:
        raise StorageFullError(f"{folder} cannot be opened: {error}") from error


def build_device(
    settings: Settings, *, stopping: threading.Event, wake: threading.Event, clock: Clock | None = None
) -> Device:
    """Makes a device from its settings and from what its data folder holds; nothing runs yet.

    Args:
        stopping: Set when the device is stopping.
        wake: Set by the inference thread when there is something to send.
        clock: The system's by default.
    """
    layout, clock = Layout(data_dir=make_folder(settings.device.data_dir)), clock or SystemClock()
    inbox, vitals = Inbox(), Vitals()
    outbox, slots = open_outbox(settings, clock), open_slots(settings)
    slots.sweep()
    packer, deployments = Packer(settings.device.device_id, clock), DeploymentLog(outbox)
    disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="disk")
    starts = Starts(outbox)
    ration = SampleRation(
        outbox,
        clock,
        samples_per_day=settings.outbox.samples_per_day,
        bytes_per_day=settings.outbox.sample_bytes_per_day,
    )
    checkpoints = Checkpoints(outbox, packer, disk, starts, ration)
    models = Models(
        slots,
        deployments,
        checkpoints,
        make_engine=engine_factory(settings, clock, layout.snapshots),
        snapshot_folder=layout.snapshots,
        mode=registered_mode(outbox, settings.device.mode),
        trial_frame_count=settings.model.trial_frame_count,
        notify=wake.set,
    )
    source = make_source(
        settings.source, clock, input_shape=models.input_shape, tally=vitals.source, stopping=stopping
    )
    starts.begin()  # not sooner: a source that is not there is no fault of the model's
    first_index = models.start(starts.failed_count)
    servers, session = None, None
    if settings.server is not None:
        servers = Servers(settings.server)
        session = _session(
            settings, settings.server, servers, outbox, slots, deployments, DeviceSide(inbox, vitals), clock
        )
    return Device(
        clock=clock,
        disk=disk,
        inbox=inbox,
        outbox=outbox,
        slots=slots,
        deployments=deployments,
        packer=packer,
        vitals=vitals,
        ration=ration,
        starts=starts,
        models=models,
        inference=InferenceLoop(
            inbox,
            models,
            checkpoints,
            Predictions(
                PredictionLog(
                    layout.predictions,
                    max_bytes=settings.predictions.max_bytes,
                    keep_count=settings.predictions.keep_count,
                ),
                disk,
            ),
            vitals,
            settings=settings.snapshots,
            clock=clock,
            next_index=first_index,
            notify=wake.set,
        ),
        feeder=Feeder(
            source,
            inbox,
            tally=vitals.source,
            clock=clock,
            wait=stopping.wait,
        ),
        first_index=first_index,
        servers=servers,
        session=session,
    )


def _session(
    settings: Settings,
    server: ServerSettings,
    servers: Servers,
    outbox: SqliteOutbox,
    slots: BundleSlots,
    deployments: DeploymentLog,
    device: LocalDevice,
    clock: Clock,
) -> Session:
    device_id, rng, tally = settings.device.device_id, random.Random(), TransferTally()
    contact = Contact(
        servers,
        _identity(settings),
        device,
        outbox,
        tally=tally,
        clock=clock,
        rng=rng,
        timeout_s=server.request_timeout_s,
    )
    feedback = FeedbackFetcher(
        servers, device, device_id=device_id, clock=clock, timeout_s=server.request_timeout_s
    )
    pace = Pace(server.max_bytes_per_s, monotonic_s=clock.monotonic_s)
    uploader = Uploader(servers.ingestion, device_id=device_id, settings=server, tally=tally, pace=pace)
    delivery = Delivery(
        servers,
        outbox,
        uploader,
        device_id=device_id,
        timeout_s=server.request_timeout_s,
        answered=feedback.forget,
    )
    models = ModelFetcher(
        servers, slots, deployments, device, device_id=device_id, clock=clock, settings=server
    )
    session = Session(
        contact,
        delivery,
        feedback,
        models,
        tally=tally,
        clock=clock,
        rng=rng,
        retry_max_s=server.retry_max_s,
    )
    uploader.between_acknowledgements = session.keep_in_touch
    return session


def _identity(settings: Settings) -> DeviceIdentity:
    device = settings.device
    _, runtime = find_engine()
    return DeviceIdentity(
        device_id=device.device_id,
        display_name=device.display_name,
        labels=dict(device.labels),
        location=device.location,
        mode=device.mode,
        machine=platform.machine(),
        operating_system=f"{platform.system()} {platform.release()}",
        python_version=platform.python_version(),
        runtime=runtime,
        tinylcm_version=version("tinymlops"),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )

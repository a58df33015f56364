"""The composition root: settings in, a device ready to run out."""

import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinylcm.adapters.clock import SystemClock
from tinylcm.adapters.files import make_folder
from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.adapters.prediction_log import PredictionLog
from tinylcm.adapters.slots import BundleSlots
from tinylcm.daemon.checkpoints import Checkpoints
from tinylcm.daemon.device import DeviceSide
from tinylcm.daemon.engine import engine_factory
from tinylcm.daemon.feeder import Feeder
from tinylcm.daemon.inbox import Inbox
from tinylcm.daemon.inference import InferenceLoop
from tinylcm.daemon.inputs import make_source
from tinylcm.daemon.layout import Layout, open_outbox, open_slots
from tinylcm.daemon.models import Models
from tinylcm.daemon.predictions import Predictions
from tinylcm.daemon.ration import SampleRation
from tinylcm.daemon.starts import Starts
from tinylcm.daemon.vitals import Vitals
from tinylcm.ports import Clock
from tinylcm.settings import Settings
from tinylcm.sync.boots import Boots
from tinylcm.sync.deployments import DeploymentLog
from tinylcm.sync.packing import Packer
from tinylcm.sync.remembered import registered_mode
from tinylcm.sync.tally import TransferTally

if TYPE_CHECKING:  # gRPC takes 12 MiB, which a device without a server keeps for itself
    from tinylcm.daemon.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device ready to run; `connection` is None for one that works alone."""

    clock: Clock
    disk: Executor
    adapting: Executor
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
    connection: "Connection | None"


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
    inbox, vitals, tally = Inbox(), Vitals(), TransferTally()
    outbox, slots = open_outbox(settings, clock), open_slots(settings)
    slots.sweep()
    boots = Boots(clock.new_id(), vitals.report, tally)
    packer, deployments = Packer(settings.device.device_id, clock), DeploymentLog(outbox)
    disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="disk")
    adapting = ThreadPoolExecutor(max_workers=1, thread_name_prefix="adapting")
    starts = Starts(outbox)
    ration = SampleRation(
        outbox,
        clock,
        samples_per_day=settings.outbox.samples_per_day,
        bytes_per_day=settings.outbox.sample_bytes_per_day,
    )
    checkpoints = Checkpoints(outbox, packer, disk, starts, ration, boots, clock)
    models = Models(
        slots,
        deployments,
        checkpoints,
        make_engine=engine_factory(settings, clock, layout.snapshots, adapting),
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
    return Device(
        clock=clock,
        disk=disk,
        adapting=adapting,
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
        connection=_connection(
            settings, outbox, slots, deployments, DeviceSide(inbox, vitals), tally, boots, clock
        ),
    )


def _connection(
    settings: Settings,
    outbox: SqliteOutbox,
    slots: BundleSlots,
    deployments: DeploymentLog,
    device: DeviceSide,
    tally: TransferTally,
    boots: Boots,
    clock: Clock,
) -> "Connection | None":
    if settings.server is None:
        return None
    from tinylcm.daemon.connection import connect

    return connect(
        settings,
        settings.server,
        outbox=outbox,
        slots=slots,
        deployments=deployments,
        device=device,
        tally=tally,
        boots=boots,
        clock=clock,
    )

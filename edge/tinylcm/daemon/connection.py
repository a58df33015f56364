"""The device's sending side, put together; gRPC is loaded here and nowhere else in a running device."""

import os
import platform
import random
from dataclasses import dataclass
from importlib.metadata import version

from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.adapters.slots import BundleSlots
from tinylcm.adapters.tflite import find_engine
from tinylcm.daemon.layout import Layout
from tinylcm.daemon.transfer import TransferNote
from tinylcm.ports import Clock
from tinylcm.settings import ServerSettings, Settings
from tinylcm.sync.boots import Boots
from tinylcm.sync.client import Servers
from tinylcm.sync.contact import Contact
from tinylcm.sync.delivery import Delivery
from tinylcm.sync.deployments import DeploymentLog
from tinylcm.sync.feedback import FeedbackFetcher
from tinylcm.sync.local import DeviceIdentity, LocalDevice
from tinylcm.sync.models import ModelFetcher
from tinylcm.sync.pace import Pace
from tinylcm.sync.session import Session
from tinylcm.sync.tally import TransferTally
from tinylcm.sync.upload import Uploader


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Channels to the servers, and what is done over them."""

    servers: Servers
    contact: Contact
    uploader: Uploader
    delivery: Delivery
    session: Session


def connect(
    settings: Settings,
    server: ServerSettings,
    *,
    outbox: SqliteOutbox,
    slots: BundleSlots,
    deployments: DeploymentLog,
    device: LocalDevice,
    tally: TransferTally,
    boots: Boots,
    clock: Clock,
) -> Connection:
    """Makes the sending side of a device that has a server; nothing is sent yet."""
    device_id, rng, servers = settings.device.device_id, random.Random(), Servers(server)
    contact = Contact(
        servers,
        _identity(settings),
        device,
        outbox,
        boots=boots,
        clock=clock,
        rng=rng,
        timeout_s=server.request_timeout_s,
    )
    feedback = FeedbackFetcher(
        servers, device, device_id=device_id, clock=clock, timeout_s=server.request_timeout_s
    )
    pace = Pace(server.max_bytes_per_s, monotonic_s=clock.monotonic_s)
    uploader = Uploader(servers, device_id=device_id, settings=server, tally=tally, pace=pace)
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
    uploader.on_progress = TransferNote(Layout(data_dir=settings.device.data_dir).transfer, clock).take
    return Connection(servers=servers, contact=contact, uploader=uploader, delivery=delivery, session=session)


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

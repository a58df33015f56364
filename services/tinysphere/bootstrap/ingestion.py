"""Wires the ingestion service: DeviceService, IngestionService, the package worker, the sweeper."""

from tinysphere.bootstrap import Built
from tinysphere.bootstrap.jobs import engine
from tinysphere.bootstrap.processing import processor
from tinysphere.bootstrap.spans import retention, upload_limits
from tinysphere.domain.clock import Clock
from tinysphere.ingestion.client import DriftClient
from tinysphere.ingestion.convert.upload_chunks import read_chunk
from tinysphere.ingestion.devices import DeviceRegistry
from tinysphere.ingestion.packages import Packages
from tinysphere.ingestion.receiving import UploadReceiver
from tinysphere.ingestion.servicer.devices import DeviceServicer
from tinysphere.ingestion.servicer.packages import IngestionServicer
from tinysphere.ingestion.servicer.telemetry import TelemetryServicer
from tinysphere.ingestion.telemetry import Telemetry
from tinysphere.ingestion.upload_session import UploadPlaces
from tinysphere.ingestion.upload_sessions import UploadSessions
from tinysphere.ingestion.uploads import Uploads
from tinysphere.jobs.periodic import Periodic
from tinysphere.rpc.server import Registration
from tinysphere.settings import Settings
from tinysphere.storage.parts_files import FileParts
from tinysphere.storage.ports.blobs import Blobs
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.telemetry_keeper import SqlTelemetryKeeper
from tinysphere.storage.sql.telemetry_reader import SqlTelemetryReader
from tinysphere.storage.sql.uploads import SqlUploadStore


class Releasing:
    """Gives back, at the end, what only this process may hold: the part files and the channel."""

    def __init__(self, parts: FileParts, drift: DriftClient) -> None:
        self._parts = parts
        self._drift = drift

    def start(self) -> None:
        """Nothing to do: both were taken when they were made."""

    def stop(self) -> None:
        """Give them back."""
        self._drift.close()
        self._parts.release()


def build(settings: Settings, database: Database, blobs: Blobs, *, clock: Clock) -> Built:
    """Wire the service. Takes the folder of part files, which one process at a time may hold."""
    limits = upload_limits(settings)
    parts = FileParts(settings.data_dir / "uploads", disk_floor_bytes=limits.disk_floor_bytes)
    drift = DriftClient(settings.drift_target)
    places = UploadPlaces(
        store=SqlUploadStore(database), parts=parts, blobs=blobs, clock=clock, limits=limits
    )
    jobs = engine(
        settings,
        database,
        processor(settings, database, blobs, drift, clock),
        thread_count=settings.worker_threads,
    )
    sessions = UploadSessions(places)
    packages = SqlPackageStore(database)
    uploads = Uploads(packages, places, sessions, jobs)
    devices = DeviceServicer(
        DeviceRegistry(SqlDeviceStore(database), clock),
        clock,
        heartbeat_interval_s=settings.heartbeat_interval_s,
    )
    ingestion = IngestionServicer(
        Packages(packages, jobs, clock), uploads, UploadReceiver(sessions, limits, jobs), limits
    )
    telemetry = Telemetry(
        SqlTelemetryReader(database), SqlTelemetryKeeper(database), retention(settings), clock
    )
    return Built(
        registrations=[
            Registration("tinymlops.v1.DeviceService", devices),
            Registration("tinymlops.v1.IngestionService", ingestion, {"UploadPackage": read_chunk}),
            Registration("tinymlops.v1.TelemetryService", TelemetryServicer(telemetry)),
        ],
        # Ended in the reverse order.
        background=[
            Releasing(parts, drift),
            Periodic("upload-sweeper", uploads.sweep, interval_s=settings.sweep_interval_s),
            Periodic("telemetry-sweeper", telemetry.sweep, interval_s=settings.telemetry_sweep_interval_s),
            jobs,
        ],
    )

"""Wires `tinysphere gc`: all that a running server collects by itself, done at once and beside it."""

from collections.abc import Iterator

from tinysphere.bootstrap import garbage
from tinysphere.bootstrap.spans import retention, upload_limits
from tinysphere.domain.clock import Clock
from tinysphere.errors import UnavailableError
from tinysphere.ingestion.telemetry import Telemetry
from tinysphere.ingestion.upload_session import UploadPlaces
from tinysphere.ingestion.upload_sessions import UploadSessions
from tinysphere.ingestion.uploads import Uploads
from tinysphere.settings import Settings
from tinysphere.storage.garbage import Swept
from tinysphere.storage.parts_files import FileParts
from tinysphere.storage.ports.blobs import SweepableBlobs
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.telemetry_keeper import SqlTelemetryKeeper
from tinysphere.storage.sql.telemetry_reader import SqlTelemetryReader
from tinysphere.storage.sql.uploads import SqlUploadStore


class _Unannounced:
    """Tells nobody of work that is due: no upload is finished here."""

    def submit(self, job_id: str) -> None:
        """See `Jobs.submit`."""


def collect(
    settings: Settings, database: Database, blobs: SweepableBlobs, clock: Clock, *, actor: str
) -> Iterator[str]:
    """Expired uploads, old points and log records, then the blobs nothing needs; yields what was done."""
    yield _uploads(settings, database, blobs, clock)
    reader, keeper = SqlTelemetryReader(database), SqlTelemetryKeeper(database)
    Telemetry(reader, keeper, retention(settings), clock).sweep()
    yield "deleted the metric points, rollups and log records whose time is over"
    yield told(garbage.collector(settings, database, blobs, clock).run(actor=actor), "deleted")


def told(swept: Swept, done: str) -> str:
    """What a look at all blobs came to."""
    return f"{done} {swept.deleted_count} of {swept.seen_count} blobs, {swept.deleted_bytes} bytes"


def _uploads(settings: Settings, database: Database, blobs: SweepableBlobs, clock: Clock) -> str:
    """Who holds the part files knows which uploads are under way: a server that runs sweeps them itself."""
    limits, folder = upload_limits(settings), settings.data_dir / "uploads"
    try:
        parts = FileParts(folder, disk_floor_bytes=limits.disk_floor_bytes)
    except UnavailableError:
        interval_s = settings.sweep_interval_s
        return f"left expired uploads to the server that holds {folder}: it looks every {interval_s:g} s"
    try:
        places = UploadPlaces(
            store=SqlUploadStore(database), parts=parts, blobs=blobs, clock=clock, limits=limits
        )
        uploads = Uploads(SqlPackageStore(database), places, UploadSessions(places), _Unannounced())
        ended_count = 0
        while swept_count := uploads.sweep():
            ended_count += swept_count
    finally:
        parts.release()
    return f"ended {ended_count} expired uploads"

"""Wires what deletes: garbage by rule, and a device's data on request."""

from datetime import timedelta

from tinysphere.domain.clock import Clock
from tinysphere.jobs.periodic import Periodic
from tinysphere.settings import Settings
from tinysphere.storage.garbage import Collector, Forgetting, Retention
from tinysphere.storage.ports.blobs import SweepableBlobs
from tinysphere.storage.sql.audit import SqlAuditLog
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.device_data import SqlDeviceData
from tinysphere.storage.sql.references import SqlReferences

STOP_TIMEOUT_S = 3.0  # a look at all blobs of a large store takes longer; cut short anywhere, it did no harm


def collector(settings: Settings, database: Database, blobs: SweepableBlobs, clock: Clock) -> Collector:
    """What finds garbage among all blobs."""
    return Collector(
        blobs, SqlReferences(database), SqlAuditLog(database), retention=retention(settings), clock=clock
    )


def periodic(settings: Settings, database: Database, blobs: SweepableBlobs, clock: Clock) -> Periodic:
    """The collector, again and again; for one process of a server."""
    return Periodic(
        "garbage-collector",
        collector(settings, database, blobs, clock).run,
        interval_s=settings.garbage_interval_s,
        stop_timeout_s=STOP_TIMEOUT_S,
    )


def forgetting(database: Database, clock: Clock) -> Forgetting:
    """What deletes a device's data."""
    return Forgetting(SqlDeviceData(database), SqlAuditLog(database), clock)


def retention(settings: Settings) -> Retention:
    """The spans of the settings."""
    return Retention(
        processed=_span(settings.keep_processed_s),
        failed=_span(settings.keep_failed_s),
        files=_span(settings.keep_files_s),
        grace=timedelta(seconds=settings.garbage_grace_s),
    )


def _span(seconds: float) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds else None

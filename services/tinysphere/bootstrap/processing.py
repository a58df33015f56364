"""Wires the processing of packages, for the server and for workers beside it."""

from datetime import timedelta

from tinysphere.domain.clock import Clock
from tinysphere.ingestion.archive.limits import ArchiveLimits
from tinysphere.ingestion.archive.read import ArchiveReader
from tinysphere.ingestion.client import DriftClient
from tinysphere.ingestion.convert.packages import read_manifest
from tinysphere.ingestion.processing import Processor
from tinysphere.ingestion.together import Together
from tinysphere.ingestion.transformers.step import Sinks
from tinysphere.settings import Settings
from tinysphere.storage.ports.blobs import Blobs
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.package_contents import PackageContents
from tinysphere.storage.sql.package_files import SqlFileStore
from tinysphere.storage.sql.telemetry import SqlTelemetrySink
from tinysphere.storage.sql.work import SqlWorkStore


def processor(
    settings: Settings, database: Database, blobs: Blobs, drift: DriftClient, clock: Clock
) -> Processor:
    """What takes due packages, and processes them."""
    limits = ArchiveLimits(
        unpacked_max_bytes=settings.package_unpacked_max_bytes, ratio_max=settings.package_ratio_max
    )
    store = SqlWorkStore(database, metric_names_max=settings.metric_names_max)
    archives = ArchiveReader(PackageContents(database, blobs), limits, read_manifest)
    sinks = Sinks(
        evidence=drift,
        telemetry=SqlTelemetrySink(database, metric_names_max=settings.metric_names_max),
        files=SqlFileStore(database),
        blobs=blobs,
    )
    return Processor(
        store=store,
        archives=archives,
        sinks=sinks,
        clock=clock,
        lease=timedelta(seconds=settings.worker_lease_s),
        together=Together(store=store, archives=archives, sinks=sinks, clock=clock),
    )

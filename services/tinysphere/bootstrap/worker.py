"""A process that only processes packages, beside the server or on another host."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tinysphere.bootstrap import migrate, told_to_end
from tinysphere.bootstrap.ingestion import processor
from tinysphere.bootstrap.jobs import engine
from tinysphere.domain.clock import SystemClock
from tinysphere.ingestion.client import DriftClient
from tinysphere.jobs.ports import Engine
from tinysphere.settings import Settings
from tinysphere.storage.blobs import open_blobs
from tinysphere.storage.sql.database import Database

logger = logging.getLogger(__name__)


def work(settings: Settings, *, thread_count: int) -> None:
    """Process packages until SIGTERM or SIGINT; says on standard output when it begins."""
    ended = told_to_end()
    database = Database(settings.database_url)
    try:
        migrate(settings, database)
        with _engine(settings, database, thread_count) as jobs:
            jobs.start()
            print(f"working on {database.shown_url} by {settings.worker_engine}", flush=True)
            ended.wait()
            logger.info("stopping")
            jobs.stop()
    finally:
        database.dispose()


@contextmanager
def _engine(settings: Settings, database: Database, thread_count: int) -> Iterator[Engine]:
    drift = DriftClient(settings.drift_target)
    try:
        runner = processor(settings, database, open_blobs(settings), drift, SystemClock())
        yield engine(settings, database, runner, thread_count=thread_count)
    finally:
        drift.close()

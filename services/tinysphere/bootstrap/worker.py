"""A process that only processes packages, beside the server or on another host."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tinysphere.bootstrap import migrate, told_to_end
from tinysphere.bootstrap.jobs import engine
from tinysphere.bootstrap.processing import processor
from tinysphere.domain.clock import SystemClock
from tinysphere.errors import UnavailableError
from tinysphere.ingestion.client import DriftClient
from tinysphere.jobs.ports import Engine
from tinysphere.settings import Settings
from tinysphere.storage.blobs import open_blobs
from tinysphere.storage.sql.database import Database

START_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)

logger = logging.getLogger(__name__)


def work(settings: Settings, *, thread_count: int) -> None:
    """Process packages until SIGTERM or SIGINT; says on standard output when it begins."""
    ended = told_to_end()
    database = Database(settings.database_url)
    try:
        patiently(lambda: migrate(settings, database), ended)
        with _engine(settings, database, thread_count) as jobs:
            jobs.start()
            print(f"working on {database.shown_url} by {settings.worker_engine}", flush=True)
            ended.wait()
            logger.info("stopping")
            jobs.stop()
    finally:
        database.dispose()


def patiently(action: Callable[[], None], ended: threading.Event) -> None:
    """Repeat what the database refuses because it is away just now.

    Raises:
        UnavailableError: it was away for longer than a restart takes, or the process is told to end.
    """
    for pause_s in START_PAUSES_S:
        try:
            return action()
        except UnavailableError as error:
            logger.info("not started yet, again in %g s: %s", pause_s, error)
        if ended.wait(pause_s):
            break
    return action()


@contextmanager
def _engine(settings: Settings, database: Database, thread_count: int) -> Iterator[Engine]:
    drift = DriftClient(settings.drift_target)
    try:
        runner = processor(settings, database, open_blobs(settings), drift, SystemClock())
        yield engine(settings, database, runner, thread_count=thread_count)
    finally:
        drift.close()

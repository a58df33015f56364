"""Composition: builds the services an operator names, serves them, and ends them in order."""

import importlib
import logging
import signal
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from tinysphere.bootstrap import garbage, jobs
from tinysphere.bootstrap.memory import collect_seldom, keep_heaps_steady
from tinysphere.bootstrap.readiness import Readiness
from tinysphere.domain.clock import Clock, SystemClock
from tinysphere.rpc.server import Registration, RpcServer
from tinysphere.settings import Settings
from tinysphere.storage.blobs import open_blobs
from tinysphere.storage.ports.blobs import Blobs, SweepableBlobs
from tinysphere.storage.sql.database import Database

# In the order they start; each is built by `tinysphere.bootstrap.<name>.build`.
SERVICES = ("ingestion", "drift", "distribution")

logger = logging.getLogger(__name__)


class Background(Protocol):
    """Something that works beside the requests, in threads of its own."""

    def start(self) -> None:
        """Begin. Called once, when the servers listen."""

    def stop(self) -> None:
        """End, and return when nothing runs any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One service, ready to serve."""

    registrations: Sequence[Registration]
    background: Sequence[Background] = field(default=())


class Build(Protocol):
    """What each `tinysphere.bootstrap.<name>` module offers as ``build``."""

    def __call__(self, settings: Settings, database: Database, blobs: Blobs, *, clock: Clock) -> Built:
        """Wire one service. Nothing runs yet."""


class Services:
    """Several services in one process, each on its own port, over one database and one blob store."""

    def __init__(self, settings: Settings, names: Collection[str], *, clock: Clock | None = None) -> None:
        unknown = set(names) - set(SERVICES)
        if unknown or not names:
            raise ValueError(
                f"expected some of {', '.join(SERVICES)}, got {', '.join(sorted(unknown)) or 'none'}"
            )
        self._settings = settings
        self._names = [name for name in SERVICES if name in names]
        self._clock = clock or SystemClock()
        self._servers: list[RpcServer] = []
        self._background: list[Background] = []
        self._database: Database | None = None

    def start(self) -> dict[str, str]:
        """Migrate the database, listen, and begin the work beside.

        Returns:
            Address by service, with the ports really taken.
        """
        settings = self._settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._database = Database(settings.database_url)
        try:
            migrate(settings, self._database)
            blobs = open_blobs(settings)
            addresses = self._listen(self._database, blobs)
            self._background += self._upkeep(self._database, blobs)
            for background in self._background:
                background.start()
        except BaseException:
            self.stop()
            raise
        return addresses

    def stop(self) -> None:
        """Drain the servers, end the work beside, close the database."""
        with ThreadPoolExecutor(max_workers=len(SERVICES)) as pool:
            list(pool.map(lambda server: server.stop(self._settings.stop_grace_s), self._servers))
        for background in reversed(self._background):
            background.stop()
        if self._database is not None:
            self._database.dispose()

    def _upkeep(self, database: Database, blobs: SweepableBlobs) -> list[Background]:
        """What looks after the stores: every process says whether it is ready, one of them collects garbage."""
        upkeep: list[Background] = [Readiness(self._servers, database, blobs).watching()]
        if "ingestion" in self._names:
            upkeep.append(garbage.periodic(self._settings, database, blobs, self._clock))
        return upkeep

    def _listen(self, database: Database, blobs: Blobs) -> dict[str, str]:
        addresses = {}
        for name in self._names:
            build: Build = importlib.import_module(f"tinysphere.bootstrap.{name}").build
            built = build(self._settings, database, blobs, clock=self._clock)
            address: str = getattr(self._settings, f"{name}_address")
            server = RpcServer(address, built.registrations, settings=self._settings)
            self._background += built.background
            self._servers.append(server)
            addresses[name] = f"{address.rpartition(':')[0]}:{server.start()}"
        return addresses


def migrate(settings: Settings, database: Database) -> None:
    """Bring every table up to date, those of the engine that does the work included."""
    database.migrate()
    jobs.migrate(settings, database)


def told_to_end() -> threading.Event:
    """Set by SIGTERM or SIGINT from now on."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    return ended


def serve(settings: Settings, services: Collection[str]) -> None:
    """Serve until SIGTERM or SIGINT; says on standard output when each service is ready."""
    keep_heaps_steady()
    ended = told_to_end()
    running = Services(settings, services)
    for name, address in running.start().items():
        print(f"serving {name} on {address}", flush=True)
    collect_seldom()
    ended.wait()
    logger.info("stopping")
    running.stop()

"""What more workers bring: `python -m benchmarks.workers [--quick] [--engine ENGINE]`.

One to four real `tinysphere worker` processes empty the same pile of packages. First the work itself is all there is,
so the cores are the bound; then every call to the drift service takes a simulated 100 ms, as over a long line, and
workers that wait do not need a core. Packages a second by the moments at which they were processed. The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from rig.link import FaultyLink, LinkFaults
from tests.reliability.workers_check import states
from tests.reliability.workers_crew import WorkerProcess
from tests.reliability.workers_load import Device
from tests.reliability.workers_stores import opened
from tests.support.postgresql import free_port
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_ingestion import packages

MOST_WORKERS = 4
LATENCY_S = 0.05  # one way
PACKAGES, QUICK_PACKAGES = 300, 40
TIMEOUT_S = 600.0


class Pile:
    """A server that takes packages, and paused workers that process them when they are let go."""

    def __init__(self, stack: ExitStack, engine: str, latency_s: float) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tinymlops-workers-")))
        store = stack.enter_context(opened(engine, folder))
        drift_address = f"127.0.0.1:{free_port()}"
        settings = {
            "data_dir": folder,
            "database_url": store.url,
            "drift_address": drift_address,
            "worker_engine": "procrastinate" if engine == "procrastinate" else "local",
            "worker_threads": 0,
            "disk_floor_bytes": 1,
        }
        self._server = ServerProcess(folder, "ingestion", "drift", settings=settings)
        stack.callback(self._server.stop)
        target = drift_address
        if latency_s:
            link = FaultyLink(drift_address, LinkFaults(latency_s=latency_s), seed=0)
            target = stack.enter_context(link).address
        facts = settings | {"drift_target": target}
        self._environment = {f"TINYSPHERE_{name.upper()}": str(value) for name, value in facts.items()}
        self._log = folder / "workers.log"
        self._workers: list[WorkerProcess] = []
        self._database = Database(store.url)
        stack.callback(self._database.dispose)
        stack.callback(lambda: [worker.stop() for worker in self._workers])

    def add_worker(self) -> None:
        """Start one more, and wait until it works."""
        self._workers.append(WorkerProcess(self._environment, self._log))
        self._workers[-1].wait_until_working()

    def packages_per_s(self, count: int) -> float:
        """Fill the pile while the workers are paused, let them go, and wait for the end."""
        for worker in self._workers:
            os.kill(worker.pid, signal.SIGSTOP)
        before = states(self._database).get("PROCESSED", 0)
        device = Device(self._server.addresses["ingestion"], count, first=before)
        device.start()
        device.join()
        for worker in self._workers:
            os.kill(worker.pid, signal.SIGCONT)
        eventually(
            lambda: states(self._database).get("PROCESSED", 0) == before + count,
            timeout_s=TIMEOUT_S,
            every_s=0.1,
        )
        moments = packages.c.process_time
        newest = sa.select(moments).where(packages.c.package_id.in_(device.receipts)).subquery()
        with self._database.reading() as connection:
            first, last = connection.execute(
                sa.select(sa.func.min(newest.c.process_time), sa.func.max(newest.c.process_time))
            ).one()
        return (count - 1) / (last - first).total_seconds()


def measured(engine: str, latency_s: float, count: int) -> list[float]:
    """Packages a second with one worker, two, and so on."""
    with ExitStack() as stack:
        pile = Pile(stack, engine, latency_s)
        speeds = []
        for number in range(1, MOST_WORKERS + 1):
            pile.add_worker()
            speeds.append(pile.packages_per_s(count))
            print(f"latency {latency_s} s, {number} workers: {speeds[-1]:.1f}/s", file=sys.stderr, flush=True)
        return speeds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both, and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.workers", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--engine", choices=["sqlite", "postgresql", "procrastinate"], default="procrastinate"
    )
    options = parser.parse_args(arguments)
    count = QUICK_PACKAGES if options.quick else PACKAGES
    figures: dict[str, float] = {}
    for name, latency_s in (("cpu", 0.0), ("latency", LATENCY_S)):
        speeds = measured(options.engine, latency_s, count)
        figures[f"{name}_packages_per_s_1"] = round(speeds[0], 1)
        figures |= {
            f"{name}_speedup_{number}": round(speed / speeds[0], 2)
            for number, speed in enumerate(speeds[1:], start=2)
        }
    facts = {"name": "workers", "quick": options.quick, "engine": options.engine}
    print(json.dumps(facts | {"figures": figures, "spread": {}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

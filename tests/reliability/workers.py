"""Kills workers while they work, and counts: `python -m tests.reliability.workers [--packages N] [--kills K]`.

On each engine (SQLite, PostgreSQL, procrastinate on PostgreSQL) a device sends packages to a real server that only
takes them; three real `tinysphere worker` processes process them, and one after the other is killed. PostgreSQL is
restarted meanwhile. The last line is one JSON object; the status is 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.workers_check import Outcome, outcome, states
from tests.reliability.workers_crew import Crew
from tests.reliability.workers_load import Device
from tests.reliability.workers_stores import Store, opened
from tests.support.postgresql import free_port
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually
from tinysphere.storage.sql.database import Database

ENGINES = ("sqlite", "postgresql", "procrastinate")
FULL_PACKAGES, FULL_KILLS, RESTARTS = 3000, 60, 3
WORKERS = 3
LEASE_S = 3.0
END_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One engine's run."""

    outcome: Outcome
    kills: int
    early_kills: int
    restarts: int
    jobs: int
    took_s: float


def run(
    engine: str, folder: Path, *, package_count: int, kill_count: int, worker_count: int, seed: int
) -> Run:
    """Send, kill, restart, wait for the end, count."""
    rng, begin_s = random.Random(seed), time.monotonic()
    folder.mkdir()
    with opened(engine, folder) as store:
        drift_address = f"127.0.0.1:{free_port()}"
        settings = {
            "data_dir": folder,
            "database_url": store.url,
            "drift_address": drift_address,
            "drift_target": drift_address,
            "worker_engine": "procrastinate" if engine == "procrastinate" else "local",
            "worker_threads": 0,
            "worker_lease_s": LEASE_S,
            "disk_floor_bytes": 1,
        }
        server = ServerProcess(folder, "ingestion", "drift", settings=settings)
        environment = {f"TINYSPHERE_{name.upper()}": str(value) for name, value in settings.items()}
        crew = Crew(worker_count, environment, folder / "workers.log", rng)
        database = Database(store.url)
        device = Device(server.addresses["ingestion"], package_count)
        try:
            device.start()
            restarts = _disturb(database, store, crew, package_count, kill_count)
            device.join()
            eventually(lambda: not _unfinished(database), timeout_s=END_TIMEOUT_S, every_s=0.5)
            found = outcome(database, server.addresses["drift"], device.receipts)
        finally:
            statuses = crew.stop()
            server.stop()
            database.dispose()
        assert statuses == [0] * worker_count, f"workers that were asked to end ended with {statuses}"
    return Run(
        outcome=found,
        kills=crew.kill_count,
        early_kills=crew.early_kill_count,
        restarts=restarts,
        jobs=len(device.receipts),
        took_s=time.monotonic() - begin_s,
    )


def _disturb(database: Database, store: Store, crew: Crew, package_count: int, kill_count: int) -> int:
    """Kill workers evenly over the work, and restart the database in between; how often."""
    restart_at = {kill_count * (number + 1) // (RESTARTS + 1) for number in range(RESTARTS)}
    restarts = 0
    while crew.kill_count < kill_count:
        share = crew.kill_count / kill_count
        eventually(
            lambda share=share: _processed(database) >= share * 0.9 * package_count, timeout_s=END_TIMEOUT_S
        )
        if restart_at and crew.kill_count >= min(restart_at):
            restart_at.remove(min(restart_at))
            restarts += store.restart()
        crew.kill_one()
        told = f"{crew.kill_count} kills, {restarts} restarts: {states(database)}"
        print(told, file=sys.stderr, flush=True)
    return restarts


def _processed(database: Database) -> int:
    return states(database).get("PROCESSED", 0)


def _unfinished(database: Database) -> int:
    return sum(count for state, count in states(database).items() if state not in ("PROCESSED", "FAILED"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the engines one after the other."""
    parser = argparse.ArgumentParser(
        prog="tests.reliability.workers", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--packages", type=int, default=FULL_PACKAGES, help="on each engine")
    parser.add_argument("--kills", type=int, default=FULL_KILLS, help="on each engine")
    parser.add_argument("--workers", type=int, default=WORKERS, help="at the same time")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="only this one (repeatable)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    sums: Counter[str] = Counter()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="tinymlops-workers-") as name:
        for engine in options.engine or ENGINES:
            done = run(
                engine,
                Path(name) / engine,
                package_count=options.packages,
                kill_count=options.kills,
                worker_count=options.workers,
                seed=options.seed,
            )
            print(f"{engine}: {done}", file=sys.stderr, flush=True)
            found = done.outcome
            sums.update(jobs=done.jobs, kills=done.kills, restarts=done.restarts)
            sums.update(stuck=found.stuck, lost=found.lost, doubled=found.doubled)
            sums.update(claims_crashed=found.crashed_claims, kills_while_starting=done.early_kills)
            figures[f"{engine}_took_s"] = round(done.took_s, 1)
    quick = options.packages < FULL_PACKAGES
    print(
        json.dumps(
            {"name": "reliability.workers", "quick": quick, "figures": dict(sums) | figures, "spread": {}}
        )
    )
    return 1 if sums["stuck"] or sums["lost"] or sums["doubled"] else 0


if __name__ == "__main__":
    sys.exit(main())

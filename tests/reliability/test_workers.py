"""A small size of `python -m tests.reliability.workers`: a worker killed at work, the database restarted."""

from pathlib import Path

import pytest

from tests.conftest import Need
from tests.reliability.workers import run
from tests.support import postgresql


@pytest.mark.parametrize("engine", ["sqlite", "procrastinate"])
def test_killed_workers_leave_nothing_stuck_lost_or_doubled(engine: str, tmp_path: Path, need: Need) -> None:
    need("PostgreSQL", engine == "sqlite" or postgresql.binaries() is not None, "apt-get install postgresql")
    done = run(engine, tmp_path / engine, package_count=30, kill_count=1, worker_count=2, seed=1)
    assert done.kills >= 1
    assert done.jobs == 30
    assert (done.outcome.stuck, done.outcome.lost, done.outcome.doubled) == (0, 0, 0)

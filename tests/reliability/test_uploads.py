"""Short runs of the program that kills both ends of uploads and cuts their link, on each kind of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Need
from tests.reliability.uploads_counts import UploadPlan
from tests.reliability.uploads_run import run_uploads
from tests.reliability.uploads_stores import POSTGRESQL, STORES, open_stores
from tests.support import postgresql, seaweedfs

PLAN = UploadPlan(uploads=3, server_kills=1, device_kills=1, most_bytes=2 << 20, seed=3)


@pytest.mark.parametrize("store", STORES)
def test_nothing_is_lost_or_doubled(store: str, tmp_path: Path, need: Need) -> None:
    if store == POSTGRESQL:
        need("PostgreSQL", postgresql.binaries() is not None, "apt-get install postgresql")
        need("SeaweedFS", seaweedfs.program() is not None, "make setup")
    with open_stores(store, tmp_path / "server") as stores:
        counts = run_uploads(PLAN, stores, tmp_path, print)
    assert counts.faults == []
    assert (counts.attempts, counts.server_kills, counts.device_kills) == (3, 1, 1)
    assert counts.uploads_cut >= 2

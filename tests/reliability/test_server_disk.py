"""A small size of the program that fills a server's disk; its long run is in docs/reliability.md."""

from pathlib import Path

from tests.conftest import Need
from tests.reliability.server_disk import run_disk, small_disk


def test_a_full_disk_is_told_and_recovered_from(tmp_path: Path, need: Need) -> None:
    with small_disk(tmp_path) as is_mounted:
        need("tmpfs", is_mounted, "mounting needs root")
        run = run_disk(tmp_path, rounds=2)
    assert run.faults == []
    assert run.refusals, "it was full"
    assert len(run.taken) > 2

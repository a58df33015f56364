"""Small sizes of the programs that send hostile input; their long runs are in docs/reliability.md."""

from __future__ import annotations

from pathlib import Path

from tests.reliability.fuzz import run_fuzz
from tests.support.contract import methods


def test_hostile_requests_break_no_promise(tmp_path: Path) -> None:
    run = run_fuzz(tmp_path, requests=600, threads=4, seed=7)
    assert run.faults == []
    assert run.tally.requests == 600
    assert len(run.tally.methods) == len(methods())
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND"} <= set(run.tally.codes)

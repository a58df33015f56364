"""Short runs of the programs that cut transfers off; their long runs are in docs/reliability.md."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Need
from tests.reliability.transfer_crashes_device import run_device_crashes
from tests.reliability.transfer_crashes_server import run_server_crashes
from tests.reliability.transfer_disk import compiler
from tests.reliability.transfer_repeats import run_repeats
from tests.reliability.transfer_tally import Choice, CrashTally
from tests.reliability.uploads_counts import UploadPlan
from tests.reliability.uploads_run import run_uploads
from tests.reliability.uploads_stores import SQLITE, open_stores

MOST = 3


@pytest.fixture
def c_compiler(need: Need) -> None:
    need("a C compiler", compiler() is not None, "apt-get install gcc libc6-dev")


Run = Callable[[Path, Choice, random.Random, Callable[[str], None]], CrashTally]


@pytest.mark.usefixtures("c_compiler")
@pytest.mark.parametrize("run", [run_server_crashes, run_device_crashes])
def test_crash_points_break_nothing(run: Run, tmp_path: Path) -> None:
    tally = run(tmp_path, Choice(most=MOST), random.Random(7), print)
    assert tally.faults == []
    assert len(tally.points) >= 30
    assert tally.cuts + len(tally.missed) == MOST
    assert tally.cuts >= MOST - 1


def test_repeated_and_reordered_messages_have_the_same_effect(tmp_path: Path) -> None:
    tally = run_repeats(tmp_path, 1, 3)
    assert tally.faults == []
    assert tally.sends >= 7 * tally.messages
    assert tally.put_off > 0


@pytest.mark.usefixtures("c_compiler")
def test_power_cuts_at_both_ends_lose_nothing(tmp_path: Path) -> None:
    plan = UploadPlan(
        uploads=2, server_kills=1, device_kills=1, most_bytes=1 << 20, is_power_lost=True, seed=5
    )
    with open_stores(SQLITE, tmp_path / "server") as stores:
        counts = run_uploads(plan, stores, tmp_path, print)
    assert counts.faults == []
    assert (counts.attempts, counts.server_kills, counts.device_kills) == (2, 1, 1)

"""A short run of the program that tries to break a device; in a process of its own, since it forks."""

from __future__ import annotations

import json
import subprocess
import sys

KILL_COUNT = 6


def test_nothing_breaks_a_device() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.reliability.device", "--count", str(KILL_COUNT)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-6000:]
    told = json.loads(run.stdout.splitlines()[-1])
    figures = told["figures"]
    assert told["quick"]
    assert figures["kills"] == KILL_COUNT
    assert figures["crash_points"] >= 60
    assert figures["flips"] == 10 * KILL_COUNT
    assert figures["noticed"] > figures["flips"] // 2
    assert figures["undetected"] == figures["failed_starts"] == figures["broken_promises"] == 0

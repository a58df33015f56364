"""The closed loop, whole: real images, a real TFLite model, real processes, links that break."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgresql import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 420


def run_demo(folder: Path, *options: str) -> dict[str, Any]:
    """Runs the demonstration with the scripted reviewer and returns its figures."""
    command = [sys.executable, "-m", "demo", "--review", "auto", "--folder", str(folder), *options]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{logs(folder)}"
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def logs(folder: Path) -> str:
    """The end of every program's log, for the report of a failure."""
    return "\n".join(
        f"--- {path.name}\n{path.read_text()[-1500:]}" for path in sorted(folder.glob("logs/*.log"))
    )


def assert_closed(figures: dict[str, Any]) -> None:
    assert figures["closed"]
    devices = figures["devices"].values()
    assert {one["drift"] for one in devices} == {"bag", "noise3"}
    for one in devices:
        assert one["cut_count"] > 0, "the links must have broken, or this proves little"
        assert one["applied_feedback_count"] > 0
        assert one["label_count"] <= 60
        assert one["accuracy_after"] > one["accuracy_during"]


@pytest.mark.timeout(PATIENCE_S + 60)
def test_loop_closes_with_three_server_processes_and_postgresql(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    url = postgres_server.create_database()
    assert_closed(run_demo(tmp_path / "demo", "--separate", "--database-url", url, "--no-dashboard"))


@pytest.mark.timeout(PATIENCE_S + 60)
def test_loop_closes_though_the_server_is_killed_in_the_middle(tmp_path: Path) -> None:
    assert_closed(run_demo(tmp_path / "demo", "--kill-server"))

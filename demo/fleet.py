"""A simulated fleet beside the devices of the demonstration: its heartbeats, measurements and updates, no drift."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from demo.processes import Program

SCENARIO = Path(__file__).parent / "fleet.toml"
_LONGEST_S = 24 * 3600


def simulated_fleet(device_count: int, targets: Mapping[str, str], *, seed: int, log_folder: Path) -> Program:
    """`tinysphere simulate`, not started yet; it lives until it is stopped."""
    arguments = ["simulate", "--devices", str(device_count), "--seed", str(seed), "--scenario", str(SCENARIO)]
    arguments += ["--speed", "1", "--duration", str(_LONGEST_S), "--start-now", "--no-check"]
    for service in ("ingestion", "drift", "distribution"):
        arguments += [f"--{service}", targets[service]]
    return Program("fleet", "tinysphere", arguments, log_folder=log_folder)

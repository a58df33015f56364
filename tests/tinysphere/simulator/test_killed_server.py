"""A server that loses its power while a fleet is at work."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from demo.server import Server
from tinysphere.simulator.processes import Progress, simulate
from tinysphere.simulator.script.scenario import Traffic
from tinysphere.simulator.script.scenario_file import load_scenario
from tinysphere.simulator.simulation import Simulation

KILLS = 1


def test_a_killed_server_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "TINYSPHERE_WORKER_LEASE_S", "3"
    )  # what the killed one was processing is soon free again
    server = Server(tmp_path, separate=False)
    server.start()
    rough = load_scenario("rough")
    traffic = Traffic(
        join_s=(0, 5), package_every_s=(5, 10), state_bytes=(0, 300_000), metric_count=2, log_count=2
    )
    simulation = Simulation(
        targets=server.addresses,
        scenario=replace(rough, traffic=traffic),
        device_count=10,
        seed=41,
        duration_s=60,
        speed=5,
    )
    kills: list[threading.Thread] = []

    def kill_and_start() -> None:
        server.kill()
        server.start()

    def watch(progress: Progress) -> None:
        """Kills the server in the midst of the work."""
        is_free = not kills or not kills[-1].is_alive()
        if (
            is_free
            and len(kills) < KILLS
            and progress.tally.counts["packages_committed"] >= 10 * (len(kills) + 1)
        ):
            kills.append(threading.Thread(target=kill_and_start))
            kills[-1].start()

    try:
        outcome = simulate(simulation, watch)
    finally:
        for kill in kills:
            kill.join()
        server.stop()
    assert len(kills) == KILLS
    assert outcome.findings.notes == []
    assert outcome.is_good
    counts = outcome.tally.counts
    assert counts["packages_made"] == counts["packages_committed"] == outcome.findings.counts["packages"]
    assert any("UNAVAILABLE" in error and "LINK" not in error for error in outcome.tally.errors)

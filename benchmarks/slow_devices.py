"""A thousand devices at 2 kB/s: what a server makes of many slow senders at once.

Simulated devices, each with connections of its own, send 32 kB each over links of 2 kB/s to a real server process: 16 s
for one device alone. Every device sends a heartbeat each 10 s all the while. `served_share` is the share of the devices
whose package was COMMITTED within three times that time after the last one joined; `all_served_s` is when all were.
Before that, of 200 devices as many as the server lets in hold streams open and send nothing else: `kib_per_stream` is
what its memory grew by, over the streams; `kib_per_device` what it grew by in the main run, over the devices.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.upload import cpu_s, resident_mib
from demo.server import Server
from tinysphere.simulator.processes import Progress, simulate
from tinysphere.simulator.script.scenario import Scenario, Updates
from tinysphere.simulator.script.scenario_file import load_scenario
from tinysphere.simulator.simulation import Outcome, Simulation

DEVICES, QUICK_DEVICES = 1_000, 200
QUICK_BYTES, QUICK_JOIN_S = 8_000.0, 4.0
HELD_BYTES, HELD_DEVICES = 200_000.0, 200
HELD_S, QUICK_HELD_S = 40.0, 12.0
SETTLE_S = 2.0
PROCESSES = 2
PATIENCE = 3
DRAIN_S, QUICK_DRAIN_S = 300.0, 20.0


@dataclass(slots=True)
class Watched:
    """What was seen of a run while it lasted.

    Attributes:
        served_at_s: Packages committed so far, by the second at which that many were first seen.
    """

    pid: int
    before_mib: float = 0.0
    peak_mib: float = 0.0
    peak_streams: int = 0
    served_at_s: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Memory is counted from here."""
        self.before_mib = resident_mib(self.pid)

    def look(self, progress: Progress) -> None:
        """Called twice a second by each process of the simulation."""
        self.peak_mib = max(self.peak_mib, resident_mib(self.pid))
        self.peak_streams = max(self.peak_streams, progress.tally.gauges["streams_open"])
        self.served_at_s.append((progress.at_s, progress.tally.counts["packages_committed"]))

    def served_by(self, at_s: float) -> int:
        """Packages committed until then."""
        return max((count for seen_s, count in self.served_at_s if seen_s <= at_s), default=0)

    @property
    def last_served_s(self) -> float:
        """When the last package was committed."""
        most = max((count for _, count in self.served_at_s), default=0)
        return min((seen_s for seen_s, count in self.served_at_s if count == most), default=0.0)

    @property
    def growth_kib(self) -> float:
        return (self.peak_mib - self.before_mib) * 1024


def thin_scenario(*, quick: bool) -> Scenario:
    """The shipped one; with smaller packages for a quick run."""
    thin = load_scenario("thin")
    small = replace(thin.traffic, state_bytes=(QUICK_BYTES, QUICK_BYTES), join_s=(0.0, QUICK_JOIN_S))
    return replace(thin, traffic=small if quick else thin.traffic, updates=Updates(check_every_s=0))


def warm(server: Server, scenario: Scenario, device_count: int) -> None:
    """Has as many other devices do the same over fast links, so that the server has all its threads."""
    fast = replace(scenario, link=replace(scenario.link, rate_bytes_per_s=0))
    simulate(
        Simulation(
            targets=server.addresses,
            scenario=fast,
            device_count=device_count,
            seed=2,
            duration_s=scenario.traffic.join_s[1] + SETTLE_S,
            speed=1.0,
            is_checked=False,
        )
    )


def hold(server: Server, scenario: Scenario, duration_s: float) -> Watched:
    """Has devices open streams on shared connections and keep them open."""
    traffic = replace(
        scenario.traffic, state_bytes=(HELD_BYTES, HELD_BYTES), heartbeat_every_s=1e6, join_s=(0.0, 5.0)
    )
    watched = Watched(server.programs[0].pid)
    simulate(
        Simulation(
            targets=server.addresses,
            scenario=replace(scenario, traffic=traffic),
            device_count=HELD_DEVICES,
            seed=3,
            duration_s=duration_s,
            speed=1.0,
            drain_s=0.0,
            is_checked=False,
        ),
        watched.look,
    )
    return watched


def serve(server: Server, scenario: Scenario, device_count: int, drain_s: float) -> tuple[Outcome, Watched]:
    """The main run."""
    watched = Watched(server.programs[0].pid)
    simulation = Simulation(
        targets=server.addresses,
        scenario=scenario,
        scenario_name="thin",
        device_count=device_count,
        seed=1,
        duration_s=bound_s(scenario),
        speed=1.0,
        process_count=PROCESSES,
        has_own_channels=True,
        drain_s=drain_s,
    )
    return simulate(simulation, watched.look), watched


def bound_s(scenario: Scenario) -> float:
    """Seconds within which a device counts as served."""
    alone_s = scenario.traffic.state_bytes[1] / scenario.link.rate_bytes_per_s
    return scenario.traffic.join_s[1] + PATIENCE * alone_s


def describe(outcome: Outcome, watched: Watched, bound: float) -> str:
    """The main run for people."""
    summary = outcome.summary()
    return (
        f"served {watched.served_by(bound)} of {outcome.simulation.device_count} within {bound:.0f} s,"
        f" {watched.served_by(float('inf'))} in the end after {watched.last_served_s:.0f} s;"
        f" at most {watched.peak_streams} streams at once; memory {watched.before_mib:.0f} to"
        f" {watched.peak_mib:.0f} MiB; errors {summary['errors']};"
        f" heartbeats {summary['latency_ms'].get('Heartbeat')}; check {summary['check']};"
        f" load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    )


def measure(server: Server, *, quick: bool) -> dict[str, float]:
    """Every figure."""
    scenario, pid = thin_scenario(quick=quick), server.programs[0].pid
    bound = bound_s(scenario)
    device_count = QUICK_DEVICES if quick else DEVICES
    warm(server, scenario, device_count)
    held = hold(server, scenario, QUICK_HELD_S if quick else HELD_S)
    print(f"held {held.peak_streams} streams: {held.before_mib:.0f} to {held.peak_mib:.0f} MiB", flush=True)
    before_s = cpu_s(pid)
    outcome, watched = serve(server, scenario, device_count, QUICK_DRAIN_S if quick else DRAIN_S)
    print(describe(outcome, watched, bound), flush=True)
    errors, latencies = outcome.tally.errors, outcome.tally.latencies
    return {
        "served_share": watched.served_by(bound) / device_count,
        "all_served_s": watched.last_served_s,
        "turned_away": sum(count for error, count in errors.items() if "TOO_MANY_STREAMS" in error),
        "heartbeat_p50_ms": latencies["Heartbeat"].percentile_ms(0.5),
        "heartbeat_p99_ms": latencies["Heartbeat"].percentile_ms(0.99),
        "late_p99_ms": latencies["late"].percentile_ms(0.99),
        "peak_streams": max(watched.peak_streams, held.peak_streams),
        "kib_per_stream": held.growth_kib / max(1, held.peak_streams),
        "kib_per_device": watched.growth_kib / device_count,
        "server_cpu_s": cpu_s(pid) - before_s,
        "lost": outcome.findings.counts["lost"] + outcome.waiting_count,
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_DEVICES} devices with 8 kB each")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), separate=False)
        server.start()
        try:
            figures = measure(server, quick=quick)
        finally:
            server.stop()
    rounded = {key: round(value, 3) for key, value in figures.items()}
    print(json.dumps({"name": "slow_devices", "quick": quick, "figures": rounded, "spread": {}}))


if __name__ == "__main__":
    main()

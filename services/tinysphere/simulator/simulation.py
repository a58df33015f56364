"""What is simulated, and what came of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tinysphere.errors import InvalidFieldError
from tinysphere.simulator.script.scenario import Scenario
from tinysphere.simulator.tally import Tally
from tinysphere.simulator.wire.check import Findings

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A fleet and its run. Equal ones make equal devices, packages, times and faults.

    Attributes:
        targets: "host:port" by service: "ingestion", "drift", "distribution".
        duration_s: Simulated seconds until nothing new happens; then links are healed and all is delivered.
        speed: Simulated seconds in a real one.
        start: The true date at the fleet's start, which right clocks show.
        process_count: Over how many processes the devices are spread.
        has_own_channels: Whether each device has connections of its own, as real ones do; else a process has
            ``channel_count`` for all.
        drain_s: Real seconds for delivering what waits at the end.
        settle_s: Real seconds for the server to process the last packages.
    """

    targets: Mapping[str, str]
    scenario: Scenario = field(default_factory=Scenario)
    scenario_name: str = "steady"
    device_count: int = 100
    seed: int = 0
    duration_s: float = 600.0
    speed: float = 60.0
    start: datetime = START
    process_count: int = 1
    has_own_channels: bool = False
    channel_count: int = 4
    drain_s: float = 120.0
    settle_s: float = 120.0
    is_checked: bool = True

    def __post_init__(self) -> None:
        """Refuses what would never end."""
        for name in ("duration_s", "speed", "drain_s", "settle_s"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (name == "speed" and value == 0):
                raise InvalidFieldError(name, "a finite number above 0", str(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a simulation.

    Attributes:
        waiting_count: Packages that could not be delivered in time.
        wall_s: Real seconds it took.
    """

    simulation: Simulation
    tally: Tally
    findings: Findings
    waiting_count: int
    wall_s: float

    @property
    def is_good(self) -> bool:
        """Whether all was delivered, and the server holds it once."""
        return self.findings.is_good and not self.waiting_count

    def summary(self) -> dict[str, Any]:
        """All of it as one JSON object."""
        simulation, counts = self.simulation, self.tally.counts
        return {
            "name": "simulate",
            "scenario": simulation.scenario_name,
            "seed": simulation.seed,
            "devices": simulation.device_count,
            "processes": simulation.process_count,
            "duration_s": simulation.duration_s,
            "speed": simulation.speed,
            "wall_s": round(self.wall_s, 2),
            "packages": _group(
                counts, "packages", "made", "sent", "committed", "duplicate", "found", "refused"
            )
            | {"waiting": self.waiting_count},
            "bytes": _group(counts, "bytes", "sent", "resent", "spared", "downloaded"),
            "heartbeats": counts["heartbeats"],
            "drift_events_urgent": counts["drift_events_urgent"],
            "verdicts": counts["verdicts"],
            "feedback": _group(counts, "feedback", "fetched", "applied", "rejected"),
            "updates": _group(counts, "updates", "offered", "committed", "rolled_back"),
            "power_cuts": counts["power_cuts"],
            "faults": _group(counts, "faults", "refused", "cut", "stall", "lost_reply"),
            "errors": dict(sorted(self.tally.errors.items())),
            "latency_ms": _latencies(self.tally),
            "check": {**self.findings.counts, "notes": self.findings.notes}
            if simulation.is_checked
            else None,
            "good": self.is_good,
        }


def _group(counts: Mapping[str, int], prefix: str, *names: str) -> dict[str, int]:
    return {name: counts.get(f"{prefix}_{name}", 0) for name in names}


def _latencies(tally: Tally) -> dict[str, dict[str, float]]:
    """By method; "late" says how late the simulator itself was, when its machine was too slow for the fleet."""
    return {
        method: {
            "count": one.count,
            **{f"p{share}": round(one.percentile_ms(share / 100), 2) for share in (50, 95, 99)},
        }
        for method, one in sorted(tally.latencies.items())
    }

"""Simulated devices for tests."""

import hashlib
import sys
from datetime import UTC, datetime

from tinysphere.simulator.script.device import Device
from tinysphere.simulator.script.plan import Moment, Plan, make_plan
from tinysphere.simulator.script.scenario import Scenario
from tinysphere.simulator.script.scenario_file import load_scenario

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def plan(scenario: Scenario, *, seed: int = 1, index: int = 0, duration_s: float = 600.0) -> Plan:
    return make_plan(scenario, seed=seed, index=index, duration_s=duration_s, start=START)


def lived(scenario: Scenario, *, seed: int = 1, index: int = 0, duration_s: float = 600.0) -> Device:
    """A device that went through its whole plan without ever reaching a server."""
    device = Device(plan(scenario, seed=seed, index=index, duration_s=duration_s), scenario)
    for moment in device.plan.moments:
        device.live(moment)
    return device


def until(device: Device, at_s: float) -> None:
    """Lets the moments of a fresh device come that its plan has up to a time."""
    for moment in device.plan.moments:
        if moment.at_s <= at_s:
            device.live(moment)


def moments_of(plan: Plan, happening: str) -> list[Moment]:
    return [moment for moment in plan.moments if moment.happening == happening]


def fleet_digest(scenario_name: str, seed: int, device_count: int = 10) -> str:
    """One digest of all that devices make: ids, bytes and sizes, in order."""
    scenario, digest = load_scenario(scenario_name), hashlib.sha256()
    for index in range(device_count):
        device = lived(scenario, seed=seed, index=index)
        digest.update(repr(device.plan).encode())
        for package in device.waiting:
            digest.update(package.descriptor.SerializeToString(deterministic=True))
            digest.update(package.content)
        digest.update(device.heartbeat(600.0).SerializeToString(deterministic=True))
    return digest.hexdigest()


if __name__ == "__main__":
    print(fleet_digest(sys.argv[1], int(sys.argv[2])))

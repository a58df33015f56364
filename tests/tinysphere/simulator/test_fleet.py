"""Whole fleets against a real server process: nothing lost, nothing doubled, and a check that would notice."""

import asyncio
import time
from dataclasses import replace

import pytest

from demo.server import Server
from tests.tinysphere.simulator.lives import START
from tinysphere.errors import InvalidFieldError
from tinysphere.simulator.fleet import Fleet
from tinysphere.simulator.processes import Progress, simulate
from tinysphere.simulator.script.packing import pack
from tinysphere.simulator.script.scenario import Drift, Power, Review, Scenario, Traffic
from tinysphere.simulator.script.scenario_file import load_scenario
from tinysphere.simulator.simulation import Simulation
from tinysphere.simulator.tally import Tally
from tinysphere.simulator.wire.channels import Channels
from tinysphere.simulator.wire.check import Findings, check_device
from tinysphere.simulator.wire.life import Life


def test_fifty_devices_with_every_fault_lose_and_double_nothing(server: Server) -> None:
    rough = load_scenario("rough")
    simulation = Simulation(
        targets=server.addresses,
        scenario=replace(rough, traffic=replace(rough.traffic, package_every_s=(60.0, 120.0))),
        device_count=50,
        seed=11,
        duration_s=180,
        speed=60,
        has_own_channels=True,
    )
    seen: list[Progress] = []
    outcome = simulate(simulation, seen.append)
    counts = outcome.tally.counts
    assert outcome.findings.notes == []
    assert outcome.is_good
    assert (
        counts["packages_committed"] == counts["packages_made"] == outcome.findings.counts["packages"] > 100
    )
    for fault in ("faults_cut", "faults_refused", "faults_stall", "faults_lost_reply", "power_cuts"):
        assert counts[fault] > 0, fault
    assert counts["packages_duplicate"] > 0
    assert outcome.findings.counts["samples"] > 0
    assert counts["feedback_applied"] > 0
    assert {"living", "delivering", "checking"} <= {phase for one in seen for phase in one.phases.values()}
    assert outcome.tally.gauges["streams_open"] == 0


def test_devices_that_ask_after_a_power_cut_do_not_send_again_what_the_server_holds(server: Server) -> None:
    def fleet(asking_share: float, seed: int) -> Tally:
        outcome = simulate(
            Simulation(
                targets=server.addresses,
                scenario=Scenario(
                    traffic=Traffic(package_every_s=(10, 20), join_s=(0, 5)),
                    power=Power(
                        cut_every_s=(60, 90),
                        down_s=(1, 5),
                        checkpoint_every_s=1000.0,
                        asking_share=asking_share,
                    ),
                ),
                device_count=8,
                seed=seed,
                duration_s=240,
                speed=30,
            )
        )
        assert outcome.is_good, outcome.findings.notes
        return outcome.tally

    asking, silent = fleet(1.0, 21), fleet(0.0, 22)
    assert asking.counts["power_cuts"] > 0
    assert asking.counts["packages_found"] > 0
    assert asking.counts["bytes_spared"] > 0
    assert silent.counts["packages_found"] == silent.counts["bytes_spared"] == 0
    assert asking.counts["packages_duplicate"] < silent.counts["packages_duplicate"]


def test_processes_share_one_fleet_and_a_second_run_changes_nothing(server: Server) -> None:
    scenario = Scenario(
        traffic=Traffic(package_every_s=(30, 60)), drift=Drift(device_share=1, begin_s=(10, 60))
    )
    simulation = Simulation(
        targets=server.addresses, scenario=scenario, device_count=9, seed=12, duration_s=120, speed=120
    )
    alone = simulate(simulation)
    spread = simulate(replace(simulation, process_count=2))
    assert alone.is_good
    assert spread.is_good  # every package was there already, and nothing is there twice
    for name in ("packages_made", "packages_committed"):
        assert alone.tally.counts[name] == spread.tally.counts[name] > 0
    assert alone.findings.counts == spread.findings.counts
    assert spread.summary()["processes"] == 2


@pytest.fixture(scope="module")
def checked(server: Server) -> tuple[Server, list[Life]]:
    """Devices that delivered everything, and what they know of it."""
    scenario = Scenario(
        traffic=Traffic(package_every_s=(20, 30)),
        drift=Drift(device_share=1, begin_s=(10, 20), last_s=(20, 20)),
        review=Review(judged_share=0.5, every_s=30),
    )
    simulation = Simulation(
        targets=server.addresses, scenario=scenario, device_count=2, seed=13, duration_s=60, speed=60
    )
    fleet = Fleet(simulation, 0, time.monotonic())
    assert asyncio.run(fleet.run(lambda phase, tally: None)) == 0
    assert fleet.findings.is_good
    return server, fleet.lives


def findings_of(server: Server, life: Life) -> Findings:
    async def check() -> Findings:
        channels, findings = Channels(server.addresses), Findings()
        try:
            await check_device(
                channels, life.device.plan.device_id, life.device.ledger, findings, settle_s=60
            )
        finally:
            await channels.cut()
        return findings

    return asyncio.run(check())


def test_the_check_notices_what_is_missing(checked: tuple[Server, list[Life]]) -> None:
    server, (life, _) = checked
    device_id = life.device.plan.device_id
    never_sent = pack(
        "019ca945-0a00-7045-bc5d-90d0961dec1a",
        device_id,
        START,
        model=life.device.running_model,
        records={},
        state=b"never sent",
    )
    life.device.ledger.add(never_sent, [], [])
    life.device.ledger.event_ids.add("019ca945-0a00-7045-bc5d-90d0961dec1b")
    life.device.ledger.answered_ids.add("019ca945-0a00-7045-bc5d-90d0961dec1c")
    findings = findings_of(server, life)
    assert findings.counts["lost"] == 3
    assert never_sent.package_id in findings.notes[0]
    assert not findings.is_good


def test_the_check_notices_what_is_too_much_or_other(checked: tuple[Server, list[Life]]) -> None:
    server, (_, life) = checked
    ledger = life.device.ledger
    forgotten, altered, *_ = ledger.made
    del ledger.made[forgotten]
    ledger.made[altered] = replace(ledger.made[altered], sha256="0" * 64)
    with_samples = [key for key, one in ledger.made.items() if one.sample_count_by_event]
    ledger.made[with_samples[-1]] = replace(ledger.made[with_samples[-1]], sample_count_by_event={})
    findings = findings_of(server, life)
    assert findings.counts["wrong"] == 2
    assert findings.counts["doubled"] == 1
    assert not findings.is_good


@pytest.mark.parametrize("name", ["duration_s", "speed", "drain_s"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_runs_without_an_end_are_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidFieldError, match=name):
        Simulation(targets={}, **{name: value})  # type: ignore[arg-type]  # one of several

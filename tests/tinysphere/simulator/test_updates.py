"""A rollout that simulated devices follow, over links that break."""

import hashlib
import uuid
from dataclasses import replace
from pathlib import Path

from demo.server import Server, read_all
from tests.tinysphere.distribution.builders import device_bundle
from tinymlops.v1 import rollout_pb2, rollout_service_pb2
from tinysphere.simulator.processes import simulate
from tinysphere.simulator.script.scenario import Link, Traffic, Updates
from tinysphere.simulator.script.scenario_file import load_scenario
from tinysphere.simulator.simulation import Simulation

SEED, DEVICES = 31, 20


def start_rollout(server: Server, bundle: Path) -> rollout_pb2.Rollout:
    """Offers a bundle to the devices of this fleet alone."""
    version = server.publish(bundle, "simulated")
    rollout = rollout_pb2.Rollout(
        rollout_id=str(uuid.uuid4()),
        model=version.model,
        operator="test",
        target_labels={"simulated": str(SEED)},
    )
    server.rollouts.CreateRollout(rollout_service_pb2.CreateRolloutRequest(rollout=rollout), timeout=60)
    started = rollout_service_pb2.StartRolloutRequest(rollout_id=rollout.rollout_id)
    return server.rollouts.StartRollout(started, timeout=60).rollout


def deployments_of(server: Server, rollout: rollout_pb2.Rollout) -> dict[str, int]:
    request = rollout_service_pb2.ListDeploymentsRequest(rollout_id=rollout.rollout_id)
    rows = read_all(server.rollouts.ListDeployments, request, "deployments")
    return {row.device_id: row.state for row in rows}


def test_every_device_ends_with_a_whole_model_or_says_why_not(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(device_bundle(tmp_path, model_name="simulated", padding_bytes=700_000))
    rollout = start_rollout(server, path)
    scenario = replace(
        load_scenario("rollout"),
        traffic=Traffic(join_s=(0, 5), package_every_s=(1e6, 1e6), heartbeat_every_s=10),
        link=Link(cut_share=0.3, cut_after_bytes=(100, 500_000), lost_reply_share=0.1),
        updates=Updates(check_every_s=10, trial_s=5, failure_share=0.4),
    )
    simulation = Simulation(
        targets=server.addresses,
        scenario=scenario,
        device_count=DEVICES,
        seed=SEED,
        duration_s=200,
        speed=20,
    )
    outcome = simulate(simulation)
    counts = outcome.tally.counts
    assert outcome.is_good
    assert counts["faults_cut"] > 0
    assert counts["updates_committed"] + counts["updates_rolled_back"] == DEVICES
    assert counts["updates_committed"] > 0
    assert counts["updates_rolled_back"] > 0
    states = deployments_of(server, rollout)
    committed = {key for key, state in states.items() if state == rollout_pb2.DEPLOYMENT_STATE_COMMITTED}
    returned = {key for key, state in states.items() if state == rollout_pb2.DEPLOYMENT_STATE_ROLLED_BACK}
    assert (len(committed), len(returned)) == (counts["updates_committed"], counts["updates_rolled_back"])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    running = {key: server.device(key).status.running_model.bundle_sha256 for key in states}
    assert {key for key, bundle in running.items() if bundle == digest} == committed
    assert counts["bytes_downloaded"] == DEVICES * path.stat().st_size  # each byte once, in spite of the cuts

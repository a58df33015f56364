"""What asking for updates costs a server, however many rollouts there are, and how soon a bad version is stopped.

Real ingestion and distribution processes on SQLite; the devices are calls from threads. `check_per_s_N` is the rate of
CheckUpdate with N rollouts that each mean another site, `check_cpu_ms_N` what the distribution process spent on each,
`check_cost_ratio` the one over the other. `rate_ratio` is the time that a rollout of limited rate took over the time
that its limit allows. The bad version goes in waves of 1, 10 and 100 %: every device that gets it returns to the
version before; `halt_s` is the time from the first trial to the halt, `beyond_wave_count` how many devices outside the
first wave were offered it.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import grpc

from benchmarks.upload import cpu_s
from demo.server import TIMEOUT_S, Server
from tests.tinysphere.distribution.builders import KEY, device_bundle, public_pem
from tinymlops.v1 import device_pb2, device_service_pb2, rollout_pb2, rollout_service_pb2_grpc
from tinymlops.v1 import rollout_service_pb2 as wire
from tinysphere.domain.ids import new_id

THREADS = 16
CHANNELS = 4
SITES = 1_000
PATIENCE_S = 600.0
OVER = (
    rollout_pb2.ROLLOUT_STATE_PAUSED,
    rollout_pb2.ROLLOUT_STATE_ABORTED,
    rollout_pb2.ROLLOUT_STATE_SUCCEEDED,
)


class Fleet:
    """Devices of one server, as calls from threads."""

    def __init__(self, server: Server, device_count: int) -> None:
        self.server = server
        self.device_ids = [f"device-{number:05}" for number in range(device_count)]
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [
            grpc.insecure_channel(server.addresses["distribution"], options=options) for _ in range(CHANNELS)
        ]
        self._stubs = cycle([rollout_service_pb2_grpc.RolloutServiceStub(channel) for channel in channels])
        self._pool = ThreadPoolExecutor(THREADS)
        self.each(self.device_ids, self._register)

    def each(self, device_ids: Iterable[str], action: Callable[[str], object]) -> None:
        """Does it for every device, many at once."""
        for _ in self._pool.map(action, device_ids):
            pass

    def check(self, device_id: str, running: str = "") -> wire.CheckUpdateResponse:
        """Asks as a device does."""
        request = wire.CheckUpdateRequest(device_id=device_id)
        request.running_model.bundle_sha256 = running
        return next(self._stubs).CheckUpdate(request, timeout=TIMEOUT_S)

    def report(self, device_id: str, rollout_id: str, state: int, running: str = "") -> None:
        """Reports as a device does."""
        deployment = rollout_pb2.Deployment(
            rollout_id=rollout_id,
            device_id=device_id,
            state=rollout_pb2.DeploymentState.ValueType(state),
            running_bundle_sha256=running,
        )
        next(self._stubs).ReportDeployment(
            wire.ReportDeploymentRequest(deployment=deployment), timeout=TIMEOUT_S
        )

    def begin(
        self,
        model: device_pb2.ModelReference,
        *,
        target_labels: Mapping[str, str] | None = None,
        strategy: rollout_pb2.RolloutStrategy | None = None,
    ) -> str:
        """Starts a rollout and returns its id."""
        rollout = rollout_pb2.Rollout(
            rollout_id=new_id(),
            model=model,
            operator="benchmark",
            target_labels=target_labels,
            strategy=strategy,
        )
        self.server.rollouts.CreateRollout(wire.CreateRolloutRequest(rollout=rollout), timeout=TIMEOUT_S)
        request = wire.StartRolloutRequest(rollout_id=rollout.rollout_id)
        self.server.rollouts.StartRollout(request, timeout=TIMEOUT_S)
        return rollout.rollout_id

    def end(self, rollout_id: str) -> None:
        """Aborts a rollout."""
        request = wire.AbortRolloutRequest(rollout_id=rollout_id)
        self.server.rollouts.AbortRollout(request, timeout=TIMEOUT_S)

    def state(self, rollout_id: str) -> int:
        """The rollout's state now."""
        request = wire.GetRolloutRequest(rollout_id=rollout_id)
        return self.server.rollouts.GetRollout(request, timeout=TIMEOUT_S).rollout.state

    def _register(self, device_id: str) -> None:
        site = f"site-{int(device_id.split('-')[1]) % SITES}"
        device = device_pb2.Device(device_id=device_id, labels={"site": site})
        request = device_service_pb2.RegisterDeviceRequest(device=device)
        self.server.devices.RegisterDevice(request, timeout=TIMEOUT_S)


def measure_checks(
    fleet: Fleet, models: Sequence[device_pb2.ModelReference], rollout_counts: Sequence[int]
) -> dict[str, float]:
    """Every device runs what it should and asks, with few rollouts and with many."""
    found: dict[str, float] = {}
    begun = 0
    for count in rollout_counts:
        while begun < count:
            fleet.begin(models[0], target_labels={"site": f"site-{begun}"})
            begun += 1
        fleet.each(
            fleet.device_ids, lambda one: fleet.check(one, models[0].bundle_sha256)
        )  # what runs is noted once
        pid = fleet.server.programs[-1].pid
        before_s, began_s = cpu_s(pid), time.perf_counter()
        fleet.each(fleet.device_ids, lambda one: fleet.check(one, models[0].bundle_sha256))
        wall_s, spent_s = time.perf_counter() - began_s, cpu_s(pid) - before_s
        found[f"check_per_s_{count}"] = len(fleet.device_ids) / wall_s
        found[f"check_cpu_ms_{count}"] = 1000 * spent_s / len(fleet.device_ids)
        print(
            f"{count} rollouts: {found[f'check_per_s_{count}']:.0f}/s, {found[f'check_cpu_ms_{count}']:.2f} ms each",
            flush=True,
        )
    first, last = (found[f"check_cpu_ms_{count}"] for count in (rollout_counts[0], rollout_counts[-1]))
    return {**found, "check_cost_ratio": last / first}


def measure_rate(
    fleet: Fleet, model: device_pb2.ModelReference, device_count: int, per_minute: int
) -> dict[str, float]:
    """Devices ask when they were told to, until all were offered a rollout of limited rate."""
    strategy = rollout_pb2.RolloutStrategy(offers_per_minute=per_minute, priority=1)
    began_s = time.monotonic()
    rollout_id = fleet.begin(model, strategy=strategy)
    due = dict.fromkeys(fleet.device_ids[:device_count], began_s)

    def ask(device_id: str) -> None:
        answer = fleet.check(device_id)
        if answer.HasField("offer"):
            del due[device_id]
        else:
            due[device_id] = time.monotonic() + answer.retry_after.ToTimedelta().total_seconds()

    while due:
        fleet.each([key for key, moment_s in list(due.items()) if moment_s <= time.monotonic()], ask)
        if due:
            time.sleep(max(0.0, min(due.values()) - time.monotonic()))
    took_s, bound_s = time.monotonic() - began_s, 60.0 * max(device_count // per_minute - 1, 1)
    fleet.end(rollout_id)
    print(
        f"{device_count} devices at {per_minute} a minute: {took_s:.0f} s, the limit allows {bound_s:.0f} s",
        flush=True,
    )
    return {"rate_ratio": took_s / bound_s}


def measure_bad_version(
    fleet: Fleet, old: device_pb2.ModelReference, bad: device_pb2.ModelReference, seed: int
) -> dict[str, float]:
    """Every device that is offered the bad version tries it and returns."""
    waves = [
        rollout_pb2.RolloutWave(
            name=f"{percent} %", percent=percent, failure_share=0.1, minimum_device_count=5
        )
        for percent in (1, 10, 100)
    ]
    rollout_id = fleet.begin(bad, strategy=rollout_pb2.RolloutStrategy(waves=waves, priority=2))
    offered: dict[str, float] = {}
    asking = list(fleet.device_ids)
    random.Random(seed).shuffle(asking)

    def live(device_id: str) -> None:
        answer = fleet.check(device_id, old.bundle_sha256)
        if answer.HasField("offer") and answer.offer.rollout_id == rollout_id:
            offered[device_id] = time.monotonic()
            fleet.report(device_id, rollout_id, rollout_pb2.DEPLOYMENT_STATE_TRIAL, bad.bundle_sha256)
            fleet.report(device_id, rollout_id, rollout_pb2.DEPLOYMENT_STATE_ROLLED_BACK, old.bundle_sha256)

    end_s = time.monotonic() + PATIENCE_S
    while fleet.state(rollout_id) not in OVER and time.monotonic() < end_s:
        fleet.each(asking[:200], live)
        asking = asking[200:] + asking[:200]
    halt_s = time.monotonic() - min(offered.values())
    fleet.each(fleet.device_ids, live)  # everybody asks once more
    request = wire.GetRolloutRequest(rollout_id=rollout_id)
    stopped = fleet.server.rollouts.GetRollout(request, timeout=TIMEOUT_S).rollout
    if stopped.state != rollout_pb2.ROLLOUT_STATE_PAUSED or stopped.wave_index != 0:
        raise RuntimeError(f"the bad version was not stopped in its first wave: {stopped.status}")
    first_wave_count = stopped.wave_progress[0].device_count
    print(
        f"stopped {halt_s:.1f} s after the first trial: {stopped.status}; offered to {len(offered)} devices",
        flush=True,
    )
    return {
        "halt_s": halt_s,
        "offered_count": len(offered),
        "first_wave_count": first_wave_count,
        "beyond_wave_count": max(0, len(offered) - first_wave_count),
    }


def measure(
    folder: Path, *, device_count: int, rollout_counts: Sequence[int], rated_count: int, per_minute: int
) -> dict[str, float]:
    """Every figure."""
    key = folder / "release.pem"
    key.write_bytes(public_pem(KEY))
    server = Server(folder, separate=True, trusted_key=key)
    server.start()
    try:
        models = []
        for counter in (1, 2, 3):
            bundle = folder / f"{counter}.bundle"
            bundle.write_bytes(device_bundle(folder, counter))
            models.append(server.publish(bundle, "fashion").model)
        fleet = Fleet(server, device_count)
        print(f"{device_count} devices registered", flush=True)
        return {
            **measure_bad_version(fleet, models[0], models[1], seed=1),
            **measure_rate(fleet, models[2], rated_count, per_minute),
            **measure_checks(fleet, models, rollout_counts),
        }
    finally:
        server.stop()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="500 devices, 100 rollouts, no minute of waiting more than needed",
    )
    parser.add_argument("--devices", type=int, default=10_000)
    arguments = parser.parse_args()
    quick = arguments.quick
    with tempfile.TemporaryDirectory() as name:
        figures = measure(
            Path(name),
            device_count=500 if quick else arguments.devices,
            rollout_counts=(1, 100) if quick else (1, 1_000),
            rated_count=200 if quick else 1_000,
            per_minute=100 if quick else 500,
        )
    rounded = {key: round(value, 3) for key, value in figures.items()}
    print(json.dumps({"name": "rollouts", "quick": quick, "figures": rounded, "spread": {}}))


if __name__ == "__main__":
    main()

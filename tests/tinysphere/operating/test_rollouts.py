"""`tinysphere rollout ...` as an operator types it, against a running server."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.support.waiting import eventually
from tests.tinysphere.distribution.builders import device_bundle
from tests.tinysphere.distribution.called import Called
from tinymlops.v1 import rollout_pb2
from tinymlops.v1 import rollout_service_pb2 as wire
from tinysphere.__main__ import app
from tinysphere.domain.rollouts import RolloutState
from tinysphere.errors import InvalidRequestError, UnavailableError
from tinysphere.operating.client.rollouts import RolloutsClient
from tinysphere.operating.rollout_progress import shown

Run = Callable[..., str]


@pytest.fixture
def digest(called: Called, tmp_path: Path) -> str:
    return called.publish(device_bundle(tmp_path)).model.bundle_sha256


@pytest.fixture
def run(called: Called) -> Run:
    def run(*arguments: str, code: int = 0) -> str:
        command = ["rollout", *arguments, "--server", called.settings.distribution_address]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == code, result.output
        return result.output.strip()

    return run


def commit(called: Called, rollout_id: str, device_id: str, digest: str) -> None:
    eventually(lambda: called.check(device_id).HasField("offer"))
    deployment = rollout_pb2.Deployment(
        rollout_id=rollout_id,
        device_id=device_id,
        state=rollout_pb2.DEPLOYMENT_STATE_COMMITTED,
        running_bundle_sha256=digest,
    )
    called.rollouts.ReportDeployment(wire.ReportDeploymentRequest(deployment=deployment))


def test_a_rollout_from_its_draft_to_success(called: Called, run: Run, digest: str) -> None:
    called.register("camera-1", "camera-2", site="north")
    waves = ("--waves", "50,100", "--label", "site=north", "--approval")
    rollout_id = run("create", "fashion", "1", *waves, "--operator", "ada")
    run("start", rollout_id, code=1)
    assert run("approve", rollout_id, "--operator", "bob").startswith("DRAFT")
    assert run("start", rollout_id, "--operator", "bob").startswith("RUNNING")
    waiting = {"camera-1", "camera-2"}
    while waiting:  # in the order of their waves, which the rollout's id decides
        eventually(lambda: any(called.check(device_id).HasField("offer") for device_id in waiting))
        for device_id in sorted(waiting):
            if called.check(device_id).HasField("offer"):
                commit(called, rollout_id, device_id, digest)
                waiting.remove(device_id)
    watched = run("watch", rollout_id)
    assert watched.splitlines()[-1].startswith("SUCCEEDED")
    told = run("show", rollout_id)
    assert "CREATE by ada" in told
    assert "APPROVE by bob" in told
    assert told.splitlines()[-1].split("Z  ")[1].startswith("SUCCEED by server: wave 100 %")
    assert rollout_id in run("list")


def test_verbs_lead_on_or_are_refused(called: Called, run: Run, digest: str) -> None:
    rollout_id = run("create", "fashion", "1")
    run("start", rollout_id)
    assert run("pause", rollout_id, "--operator", "eve").startswith("PAUSED; pause by eve")
    assert run("watch", rollout_id, code=1).splitlines()[-1].startswith("PAUSED")
    assert run("resume", rollout_id).startswith("RUNNING")
    assert run("retry", rollout_id).startswith("RUNNING")
    assert run("abort", rollout_id).startswith("ABORTED")
    client = RolloutsClient(called.settings.distribution_address, "ada")
    with pytest.raises(InvalidRequestError, match="expected state"):
        client.start(rollout_id)
    client.close()


def test_a_server_that_is_away_is_said_to_be(called: Called) -> None:
    client = RolloutsClient(called.settings.distribution_address, "ada")
    called.stop("distribution")
    with pytest.raises(UnavailableError, match="away or busy"):
        list(client.newest(1))
    client.close()


def test_a_terminal_shows_bars(called: Called, run: Run, digest: str) -> None:
    called.register("camera-1")
    rollout_id = run("create", "fashion", "1", "--waves", "100")
    run("start", rollout_id)
    commit(called, rollout_id, "camera-1", digest)
    client = RolloutsClient(called.settings.distribution_address, "ada")
    eventually(lambda: client.get(rollout_id).state is RolloutState.SUCCEEDED)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    (last,) = shown([client.get(rollout_id)], console)
    client.close()
    assert last.progress[0].committed_count == 1
    assert "100 %" in screen.getvalue()
    assert "1 of 1" in screen.getvalue()

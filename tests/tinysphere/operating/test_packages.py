"""`tinysphere packages ...` as an operator types it, against a running server."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.support.postgresql import free_port
from tests.tinysphere.ingestion.builders import (
    DEVICE_ID,
    LOGS,
    METRICS,
    delimited,
    log_record,
    metric_point,
    packed,
)
from tests.tinysphere.ingestion.conftest import Ingestion, Serve
from tinymlops.v1 import package_pb2
from tinysphere.__main__ import app
from tinysphere.domain.ids import new_id
from tinysphere.domain.packages import PackageState
from tinysphere.errors import UnavailableError
from tinysphere.operating.client.packages import PackagesClient
from tinysphere.operating.package_progress import shown

GOOD = [
    ("metrics.pb", METRICS, delimited(metric_point(value=n) for n in range(30))),
    ("l.pb", LOGS, delimited([log_record()])),
]
BAD = [*GOOD[:1], ("l.pb", LOGS, delimited([log_record(level="LOUD")]))]

Run = Callable[..., tuple[int, str]]
Running = tuple[Ingestion, str, Run]


@pytest.fixture
def running(serve: Serve) -> Running:
    """A server, its address, and its command line."""
    address = f"127.0.0.1:{free_port()}"
    service = serve(ingestion_address=address)
    service.register()

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["packages", *arguments, "--server", address])
        return result.exit_code, result.output

    return service, address, run


def test_a_package_is_watched_to_its_end(running: Running) -> None:
    service, _, run = running
    package_id = service.put(*packed(GOOD)).descriptor.package_id
    code, output = run("watch", package_id)
    assert code == 0
    assert output.splitlines()[-2:] == [
        "PROCESSED, 2 of 2 steps, 31 records",
        "PROCESSED: METRICS 30, LOGS 1",
    ]


def test_a_failed_package_tells_why_and_is_retried(running: Running) -> None:
    service, _, run = running
    package_id = service.put(*packed(BAD)).descriptor.package_id
    code, output = run("watch", package_id)
    assert code == 1
    assert "FAILED: METRICS 30, LOGS FAILED" in output
    assert "LOGS: RECORD_INVALID: l.pb, record 1: level: expected one of DEBUG" in output
    code, output = run("retry", package_id, "--watch")
    assert (code, output.splitlines()[0]) == (1, "COMMITTED: METRICS 30, LOGS PENDING")
    assert [step.attempt_count for step in service.package(package_id).steps] == [1, 2]
    good = service.put(*packed(GOOD)).descriptor.package_id
    service.ended(good)
    code, _ = run("retry", good)
    assert code != 0


def test_packages_are_listed_newest_first_by_device_and_state(running: Running) -> None:
    service, address, run = running
    service.register("camera-2")
    good = [service.put(*packed(GOOD)).descriptor.package_id for _ in range(3)]
    bad = service.put(*packed(BAD)).descriptor.package_id
    for package_id in (*good, bad):
        service.ended(package_id)
    code, output = run("list", "--device", DEVICE_ID)
    assert code == 0
    assert [line.split()[2] for line in output.splitlines()] == [bad, *reversed(good)]
    assert [line.split()[2] for line in run("list", "--state", "FAILED")[1].splitlines()] == [bad]
    assert len(run("list", "--limit", "2")[1].splitlines()) == 2
    assert run("list", "--device", "camera-2") == (0, "")
    client = PackagesClient(address)
    found = list(client.newest("", PackageState.PROCESSED, 2))
    client.close()
    assert [one.descriptor.package_id for one in found] == [good[2], good[1]]


def test_a_server_that_is_away_is_said_to_be(running: Running) -> None:
    service, address, _ = running
    client = PackagesClient(address)
    service.server.stop(0)
    with pytest.raises(UnavailableError, match="away or busy"):
        list(client.watch(new_id()))
    client.close()


def test_an_unknown_package_is_refused(running: Running) -> None:
    _, _, run = running
    assert run("watch", new_id())[0] != 0


def test_a_terminal_shows_bars(running: Running) -> None:
    service, address, _ = running
    package_id = service.put(*packed(BAD)).descriptor.package_id
    screen = io.StringIO()
    client = PackagesClient(address)
    console = Console(file=screen, force_terminal=True, width=120)
    last = list(shown(client.watch(package_id), console))[-1]
    client.close()
    assert last.state is PackageState.FAILED
    for expected in ("package", "METRICS", "LOGS", "30 records", "FAILED"):
        assert expected in screen.getvalue()
    assert service.package(package_id).state == package_pb2.PACKAGE_STATE_FAILED

"""`tinylcm sync`: what waits is sent once, however the link does, and the exit status says whether all of it was."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import grpc
import pytest

from rig.link import FaultyLink, LinkFaults
from tests.fakes.sphere import FakeSphere, Refusal
from tests.reliability.device_home import write_configuration
from tests.support.interrupts import INTERRUPTIBLE
from tests.support.waiting import eventually
from tests.tinylcm.builders import package
from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.sync.test_delivery import event_message
from tinylcm.adapters.clock import SystemClock
from tinylcm.daemon.__main__ import main
from tinylcm.daemon.flush import FlushOutcome, flush
from tinylcm.daemon.layout import Layout, open_outbox
from tinylcm.daemon.lock import sole_use

SIZES = (5_000, 900_000)


@pytest.fixture
def sphere() -> Iterator[FakeSphere]:
    with FakeSphere() as server:
        yield server


@pytest.fixture
def away(home: DeviceFolder, sphere: FakeSphere) -> DeviceFolder:
    """A device that was switched off with packages and an event in its outbox."""
    home.install()
    home.serve_from(sphere.address)
    outbox = open_outbox(home.settings(), SystemClock())
    outbox.put(
        [package(number, content=os.urandom(size)) for number, size in enumerate(SIZES)], [event_message(1)]
    )
    outbox.close()
    return home


def sync(home: DeviceFolder, *, patience_s: float = 30.0) -> tuple[FlushOutcome, str]:
    shown = io.StringIO()
    return flush(home.settings(), SystemClock(), patience_s=patience_s, progress_to=shown), shown.getvalue()


def test_everything_is_sent_and_the_bar_ends_full(away: DeviceFolder, sphere: FakeSphere) -> None:
    outcome, shown = sync(away)

    assert (outcome.status, outcome.fault) == (0, "")
    assert (outcome.sent_package_count, outcome.sent_bytes) == (2, sum(SIZES))
    assert (outcome.left_package_count, outcome.left_message_count, outcome.refused_package_count) == (
        0,
        0,
        0,
    )
    assert sorted(len(content) for content in sphere.packages.values()) == list(SIZES)
    assert len(sphere.drift_events) == 1
    assert f"100%  {sum(SIZES):,} of {sum(SIZES):,} bytes" in shown
    assert sphere.heartbeats[-1].status.running_model.bundle_sha256 == away.bundle_sha256()
    assert sphere.asked["CheckUpdate"] == sphere.asked["FetchFeedback"] == 0


def test_the_bar_moves_with_acknowledgements_over_a_link_that_is_cut(
    away: DeviceFolder, sphere: FakeSphere
) -> None:
    faults = LinkFaults(cut_after_bytes=(150_000, 400_000))
    with FaultyLink(sphere.address, faults, seed=3) as link:
        away.serve_from(link.address)
        outcome, shown = sync(away)
        assert link.counts.cut_count >= 2

    assert outcome.status == 0
    assert outcome.sent_bytes == sum(SIZES), "what was sent twice does not count"
    assert "100%" in shown


def test_a_server_that_is_not_there_ends_it_with_status_1(away: DeviceFolder, sphere: FakeSphere) -> None:
    sphere.stop()
    outcome, _ = sync(away, patience_s=0.5)

    assert outcome.status == 1
    assert "UNAVAILABLE" in outcome.fault
    assert (outcome.left_package_count, outcome.left_message_count) == (2, 1)


def test_a_wait_longer_than_its_patience_ends_it_at_once(away: DeviceFolder, sphere: FakeSphere) -> None:
    full = Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="DISK_FULL", retry_after_s=3600.0)
    sphere.refuse("PutPackage", full)
    outcome, _ = sync(away)

    assert outcome.status == 1
    assert "DISK_FULL" in outcome.fault
    assert sphere.asked["PutPackage"] == 1


def test_what_the_server_will_never_take_is_told(
    away: DeviceFolder, sphere: FakeSphere, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL")
    sphere.refuse("PutPackage", Refusal(code=grpc.StatusCode.INVALID_ARGUMENT, reason="INVALID_FIELD"))
    outcome, _ = sync(away)

    assert (outcome.status, outcome.refused_package_count, outcome.sent_package_count) == (1, 1, 1)
    assert "kept aside" in outcome.fault


def test_a_refusal_that_may_end_is_not_repeated_for_ever(
    away: DeviceFolder, sphere: FakeSphere, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL")
    odd = Refusal(code=grpc.StatusCode.FAILED_PRECONDITION, reason="NOBODY_KNOWS")
    sphere.refuse("PutPackage", odd, times=100)
    outcome, _ = sync(away)

    assert (outcome.status, outcome.left_package_count) == (1, 1)
    assert sphere.asked["PutPackage"] < 5


def test_nothing_to_send_is_no_reason_to_call(home: DeviceFolder, sphere: FakeSphere) -> None:
    home.install()
    home.serve_from(sphere.address)
    outcome, _ = sync(home)

    assert outcome.status == 0
    assert not sphere.asked


def test_beside_a_daemon_it_refuses(away: DeviceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    configuration = write_configuration(away)
    with sole_use(Layout(data_dir=away.state).lock):
        assert main(["sync", "--config", str(configuration)]) == 1
    assert "another daemon" in capsys.readouterr().err


def test_without_a_server_the_configuration_is_at_fault(
    home: DeviceFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sync", "--config", str(write_configuration(home))]) == 2
    assert "[server]" in capsys.readouterr().err


def test_the_command_prints_one_json_object(
    away: DeviceFolder, sphere: FakeSphere, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sync", "--config", str(write_configuration(away))]) == 0
    assert json.loads(capsys.readouterr().out)["sent_package_count"] == 2


def test_an_interrupt_keeps_what_was_acknowledged(away: DeviceFolder, sphere: FakeSphere) -> None:
    with FaultyLink(sphere.address, LinkFaults(rate_bytes_per_s=150_000), seed=1) as link:
        away.serve_from(link.address)
        program = [sys.executable, "-m", "tinylcm.daemon", "sync", "--config", str(write_configuration(away))]
        process = subprocess.Popen(
            [*INTERRUPTIBLE, *program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        eventually(lambda: any(len(one.content) > 0 for one in sphere.uploads.values()), timeout_s=60)
        process.send_signal(signal.SIGINT)
        told, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    assert json.loads(told)["left_package_count"] == 1
    away.serve_from(sphere.address)
    assert sync(away)[0].status == 0
    assert sorted(len(content) for content in sphere.packages.values()) == list(SIZES)

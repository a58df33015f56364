"""A real daemon and a real server, with every tier of bad link between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig import namespaces
from rig.line import Line
from rig.quality import LinkQuality
from tests.conftest import Need
from tests.reliability.links_field import SERVICES, FieldDevice, FieldServer, wait_until_all_sent
from tests.support.lines import new_line
from tests.support.waiting import eventually

SLOW = {
    "proxy": LinkQuality(rate_bytes_per_s=250_000.0),
    "veth": LinkQuality(rate_bytes_per_s=250_000.0, loss_share=0.01),
    "tun": LinkQuality(rate_bytes_per_s=250_000.0, loss_share=0.01, delay_s=0.05, jitter_s=0.02),
}
# That a dead link is noticed is up to the connection's own pings; without them it would take 106 s.
NO_WATCHDOG = {"stall_timeout_s": 3600.0}
SIZES = (600_000, 20_000)
NOTICE_LIMIT_S = 60.0
SEND_LIMIT_S = 120.0


@pytest.fixture(scope="module", params=["proxy", "veth", "tun"])
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def line(tier: str, need: Need) -> Iterator[Line]:
    with new_line(tier, SERVICES, need) as made:
        yield made


@pytest.fixture(scope="module")
def server(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FieldServer]:
    started = FieldServer(line, tmp_path_factory.mktemp("server"))
    yield started
    started.stop()


def test_a_dead_link_is_noticed_and_what_was_sent_is_not_sent_again_in_vain(
    tier: str, line: Line, server: FieldServer, tmp_path: Path
) -> None:
    line.shape(SLOW[tier])
    contents = [os.urandom(size_bytes) for size_bytes in SIZES]
    device = FieldDevice(line, tmp_path, contents, NO_WATCHDOG)
    with device.running():
        eventually(lambda: device.acknowledged_bytes() > 0, timeout_s=SEND_LIMIT_S, every_s=0.05)
        breaks = device.break_count()
        line.blackhole()
        eventually(lambda: device.break_count() > breaks, timeout_s=NOTICE_LIMIT_S)
        before = device.acknowledged_bytes()
        line.heal()
        wait_until_all_sent(device, server, timeout_s=SEND_LIMIT_S)
    assert 0 < before < max(SIZES), "it died in the middle and went on from there"


def test_a_package_arrives_over_a_link_that_delays_loses_and_falls_silent(need: Need) -> None:
    figures = quick_figures("links", need)
    assert figures["arrived"] == figures["uploads"] == 1
    assert figures["lost"] == figures["doubled"] == 0


def test_a_bundle_arrives_over_such_a_link_and_goes_on_where_it_stood(need: Need) -> None:
    figures = quick_figures("links_download", need)
    assert figures["arrived"] == figures["downloads"] == figures["kills"] == 1
    assert figures["damaged"] == figures["begun_anew"] == 0


def quick_figures(program: str, need: Need) -> dict[str, float]:
    """What a short run of a program over the worst tier counts."""
    need("network namespaces", not namespaces.lacking(), namespaces.lacking())
    run = subprocess.run(
        [sys.executable, "-m", f"tests.reliability.{program}", "--quick"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-6000:]
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    assert told["quick"]
    figures: dict[str, float] = told["figures"]
    return figures

"""The device's own sending side against the real server, over a link that is cut all the time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from demo.server import Server
from rig.link import FaultyLink, LinkFaults
from tests.e2e.conftest import StartServer
from tests.tinylcm.builders import drift_event, package
from tests.tinylcm.sync.conftest import DEVICE_ID, Rig
from tests.tinylcm.sync.test_delivery import event_message
from tinylcm.adapters.clock import SystemClock
from tinymlops.v1 import drift_service_pb2, package_pb2

SIZES = (3_000, 200_000, 700_000, 5_000_000)
CUTS = LinkFaults(cut_after_bytes=(150_000, 1_000_000), rate_bytes_per_s=4 << 20)


def empty_the_outbox(rig: Rig) -> None:
    deadline_s = time.monotonic() + 120
    while rig.outbox.totals().package_count or rig.outbox.totals().message_count:
        assert time.monotonic() < deadline_s, rig.outbox.totals()
        time.sleep(min(rig.session.round(), 1.0))


def digests(server: Server) -> set[str]:
    packages = server.packages_of(DEVICE_ID)
    assert all(one.state >= package_pb2.PACKAGE_STATE_COMMITTED for one in packages)
    return {one.descriptor.sha256 for one in packages}


@pytest.mark.parametrize("separate", [False, True])
def test_everything_arrives_once_and_whole(start_server: StartServer, tmp_path: Path, separate: bool) -> None:
    server = start_server(separate=separate)
    news = [package(number, content=os.urandom(size)) for number, size in enumerate(SIZES)]
    with FaultyLink(server.addresses["ingestion"], CUTS, seed=7) as link:
        others = (server.addresses["drift"], server.addresses["distribution"])
        rig = Rig(link.address, tmp_path, SystemClock(), others=others)
        rig.outbox.put(news, [event_message(1)])
        empty_the_outbox(rig)
        assert link.counts.cut_count >= 3
        rig.close()

    assert digests(server) == {new.package.sha256 for new in news}
    assert rig.tally.package_count == len(SIZES)
    assert rig.tally.sent_bytes == sum(SIZES) + rig.tally.resent_bytes
    request = drift_service_pb2.ListDriftEventsRequest(device_id=DEVICE_ID)
    [event] = server.drift.ListDriftEvents(request, timeout=20).drift_events
    assert event.drift_event_id == drift_event(1).drift_event_id


def test_a_server_killed_in_the_middle_loses_nothing(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    slow = LinkFaults(rate_bytes_per_s=2 << 20)
    new = package(1, content=os.urandom(9_000_000))
    with FaultyLink(server.addresses["ingestion"], slow, seed=7) as link:
        others = (server.addresses["drift"], server.addresses["distribution"])
        rig = Rig(link.address, tmp_path, SystemClock(), others=others)
        rig.outbox.put([new])
        rig.uploader.between_acknowledgements = server.kill
        rig.session.round()
        assert rig.outbox.totals().package_count == 1
        rig.uploader.between_acknowledgements = lambda: None
        server.start()
        empty_the_outbox(rig)
        rig.close()

    assert digests(server) == {new.package.sha256}
    assert rig.tally.resent_bytes < len(new.content)

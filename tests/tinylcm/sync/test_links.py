"""Over a link that dies and returns: noticed without an answer, found again without being told, little sent twice."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from rig.link import FaultyLink, LinkFaults
from tests.fakes.sphere import FakeSphere, Refusal
from tests.support.waiting import eventually
from tests.tinylcm.builders import HandClock, package
from tests.tinylcm.sync.conftest import Rig
from tinylcm.adapters.clock import SystemClock
from tinylcm.sync import client, session
from tinylcm.sync.failures import CallError

MIB = 1 << 20
STEADY = LinkFaults(rate_bytes_per_s=2 * MIB)


@pytest.fixture
def link(sphere: FakeSphere) -> Iterator[FaultyLink]:
    with FaultyLink(sphere.address, STEADY, seed=1) as link:
        yield link


@pytest.fixture
def far(link: FaultyLink, tmp_path: Path) -> Iterator[Rig]:
    """A registered device behind the link."""
    rig = Rig(link.address, tmp_path, SystemClock())
    rig.contact.keep()
    yield rig
    rig.close()


def go_on(rig: Rig) -> None:
    """One round, and the wait the daemon would make."""
    time.sleep(min(rig.session.round(), 0.2))


def test_the_settings_keep_the_promises() -> None:
    assert client.KEEPALIVE_INTERVAL_S + client.KEEPALIVE_TIMEOUT_S < 15, "a dead link is noticed within 15 s"
    jitter = 1.2  # gRPC's own
    assert client.RECONNECT_MAX_S * jitter + session.UNREACHABLE_RETRY_MAX_S < 3, (
        "and a returned one used in 3 s"
    )


def test_a_link_that_falls_silent_is_noticed_though_nothing_answers(far: Rig, link: FaultyLink) -> None:
    patient = far.make_uploader(stall_timeout_s=3600.0)
    patient.between_acknowledgements = link.stall
    far.outbox.put([package(1, content=os.urandom(4 * MIB))])
    found = far.outbox.next_package()
    assert found is not None
    with pytest.raises(CallError) as caught:
        patient.send(found, far.outbox.content_path(found.package_id))
    assert caught.value.is_unreachable, "the connection's own pings noticed, not the watchdog"


def test_a_link_that_returns_is_found_by_attempts_that_never_cease(
    far: Rig, link: FaultyLink, sphere: FakeSphere
) -> None:
    far.outbox.put([package(1, content=os.urandom(MIB))])
    link.refuse()
    link.cut()
    eventually(lambda: (go_on(far), link.counts.refused_count >= 6)[1], timeout_s=60)
    assert sphere.packages == {}
    link.heal()
    eventually(lambda: (go_on(far), sphere.packages)[1])
    assert far.outbox.totals().package_count == 0


def test_without_any_answer_waits_stay_short_and_with_one_they_grow(
    rig: Rig, sphere: FakeSphere, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL")

    def longest_wait_s() -> float:
        waits = []
        for _ in range(10):
            waits.append(rig.session.round())
            clock.forward(waits[-1] + 0.001)
        return max(waits)

    sphere.stop()
    assert longest_wait_s() <= session.UNREACHABLE_RETRY_MAX_S
    sphere.start()
    busy = Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="OVERLOADED", retry_after_s=0.0)
    for method in ("RegisterDevice", "Heartbeat", "ReportDriftEvents", "FetchFeedback", "CheckUpdate"):
        sphere.refuse(method, busy, times=100)
    eventually(lambda: longest_wait_s() > session.UNREACHABLE_RETRY_MAX_S)  # once the channel found it again


def test_cuts_about_every_megabyte_cost_little(far: Rig, link: FaultyLink, sphere: FakeSphere) -> None:
    size_bytes = 6 * MIB
    far.outbox.put([package(1, content=os.urandom(size_bytes))])
    link.faults = LinkFaults(cut_after_bytes=(MIB // 2, 3 * MIB // 2), rate_bytes_per_s=8 * MIB)
    link.cut()
    before = link.counts.up_bytes
    eventually(lambda: (go_on(far), sphere.packages)[1], timeout_s=120)
    assert link.counts.cut_count >= 4
    assert link.counts.up_bytes - before <= 1.2 * size_bytes
    assert far.tally.acknowledged_bytes == size_bytes
    assert far.tally.sent_bytes - far.tally.acknowledged_bytes == far.tally.resent_bytes


def test_a_cap_holds_over_one_package_and_the_next(rig: Rig, sphere: FakeSphere) -> None:
    """Large and small ones alike take from one bucket; what they are told to wait is all that is looked at."""
    waited: list[float] = []
    capped = rig.make_uploader(max_bytes_per_s=50e6)
    take = capped._pace.take

    def noting(size_bytes: int) -> float:
        waited.append(size_bytes)
        return take(size_bytes)

    capped._pace.take = noting  # type: ignore[method-assign]  # a witness, not a replacement
    rig.contact.keep()
    for number, size_bytes in enumerate((10_000, MIB)):
        rig.outbox.put([package(number, content=os.urandom(size_bytes))])
        found = rig.outbox.next_package()
        assert found is not None
        capped.send(found, rig.outbox.content_path(found.package_id))
        rig.outbox.remove_package(found.package_id)
    assert sum(waited) == 10_000 + MIB

"""Every row of the contract's table of errors of an upload: the device does what the last column says."""

from __future__ import annotations

import logging
import os
import random
from dataclasses import dataclass

import grpc
import pytest

from tests.fakes.sphere import FakeSphere, Refusal
from tests.tinylcm.builders import HandClock, package
from tests.tinylcm.sync.conftest import Rig
from tinylcm.ports import NewPackage, Priority
from tinylcm.sync.session import Session
from tinymlops.v1 import package_pb2

SMALL_BYTES, LARGE_BYTES = 1_000, 400_000
METHODS = {"PutPackage": SMALL_BYTES, "CreateUpload": LARGE_BYTES, "UploadPackage": LARGE_BYTES}
CHANNEL_ATTEMPTS = 3  # of an idempotent unary call that nobody answers, within a second or two


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def waiting(
    rig: Rig, size_bytes: int, *, number: int = 1, priority: Priority = Priority.SAMPLES
) -> NewPackage:
    """Puts a package into the outbox."""
    new = package(number, content=os.urandom(size_bytes), priority=priority)
    rig.outbox.put([new])
    return new


def has_arrived(sphere: FakeSphere, new: NewPackage) -> bool:
    return sphere.packages.get(new.package.package_id) == new.content


@dataclass(frozen=True)
class Refused:
    """A method that answers with a refusal once."""

    code: grpc.StatusCode
    reason: str
    metadata: dict[str, str]


@pytest.mark.parametrize(
    "refused",
    [
        Refused(grpc.StatusCode.FAILED_PRECONDITION, "UPLOAD_OFFSET_MISMATCH", {"committed_offset": "0"}),
        Refused(grpc.StatusCode.NOT_FOUND, "UPLOAD_NOT_FOUND", {}),
        Refused(grpc.StatusCode.NOT_FOUND, "UPLOAD_EXPIRED", {}),
        Refused(grpc.StatusCode.DATA_LOSS, "CHUNK_CORRUPT", {"offset": "0"}),
    ],
    ids=lambda refused: refused.reason,
)
def test_another_opening_follows_at_once(rig: Rig, sphere: FakeSphere, refused: Refused) -> None:
    new = waiting(rig, LARGE_BYTES)
    sphere.refuse(
        "UploadPackage", Refusal(code=refused.code, reason=refused.reason, metadata=refused.metadata)
    )
    rig.session.round()

    assert has_arrived(sphere, new), "in the same round"
    assert sphere.asked["CreateUpload"] == sphere.asked["UploadPackage"] == 2


class TestANewerWriter:
    SUPERSEDED = Refusal(code=grpc.StatusCode.ABORTED, reason="UPLOAD_SUPERSEDED")

    @pytest.fixture
    def new(self, rig: Rig, sphere: FakeSphere) -> NewPackage:
        """A package whose upload another process of this device has taken over."""
        new = waiting(rig, LARGE_BYTES)
        sphere.refuse("UploadPackage", self.SUPERSEDED)
        assert rig.session.round() > 0
        return new

    def other_sends(self, sphere: FakeSphere, new: NewPackage, until: int) -> None:
        content = sphere.uploads[new.package.package_id].content
        content[:] = new.content[:until]

    def rounds_until_opened(self, rig: Rig, sphere: FakeSphere, clock: HandClock) -> int:
        for count in range(1, 50):
            clock.forward(8.0 + 5.0)  # the longest pause and what a newer sender is given
            rig.session.round()
            if sphere.asked["UploadPackage"] == 2:
                return count
        raise AssertionError("it never went on")

    def test_goes_on_alone_as_long_as_it_gets_further(
        self, rig: Rig, sphere: FakeSphere, clock: HandClock, new: NewPackage
    ) -> None:
        for until in (50_000, 100_000, 150_000):
            self.other_sends(sphere, new, until)
            clock.forward(13.0)
            rig.session.round()
        assert sphere.asked["UploadPackage"] == 1
        assert sphere.received_bytes == 0

        self.rounds_until_opened(rig, sphere, clock)
        assert has_arrived(sphere, new)
        assert sphere.received_bytes == LARGE_BYTES - 150_000, "from where the other one stopped"

    def test_is_given_time_to_show_itself(
        self, rig: Rig, sphere: FakeSphere, clock: HandClock, new: NewPackage
    ) -> None:
        asked = sphere.asked["CreateUpload"]
        clock.forward(4.9)
        rig.session.round()
        assert sphere.asked["CreateUpload"] == asked

    def test_that_has_finished_leaves_the_receipt(
        self, rig: Rig, sphere: FakeSphere, clock: HandClock, new: NewPackage
    ) -> None:
        self.other_sends(sphere, new, LARGE_BYTES)
        sphere.packages[new.package.package_id] = new.content
        clock.forward(13.0)
        rig.session.round()
        assert rig.outbox.totals().package_count == 0
        assert sphere.received_bytes == 0


@pytest.mark.parametrize("method", ["PutPackage", "UploadPackage"])
def test_a_wrong_digest_restarts_once_and_is_then_kept_aside(
    rig: Rig, sphere: FakeSphere, clock: HandClock, method: str
) -> None:
    new = waiting(rig, METHODS[method])
    wrong = Refusal(code=grpc.StatusCode.INVALID_ARGUMENT, reason="DIGEST_MISMATCH")
    sphere.refuse(method, wrong, times=10)
    for _ in range(5):
        clock.forward(60.0)
        rig.session.round()

    assert sphere.asked[method] == 2
    assert rig.outbox.next_package() is None
    assert rig.outbox.is_whole(new.package), "it is still there for people"


@pytest.mark.parametrize("method", METHODS)
def test_too_large_is_not_sent_again_and_holds_nothing_up(rig: Rig, sphere: FakeSphere, method: str) -> None:
    waiting(rig, METHODS[method], priority=Priority.DRIFT)
    behind = waiting(rig, SMALL_BYTES, number=2)
    sphere.refuse(method, Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="PACKAGE_TOO_LARGE"))
    rig.session.round()

    assert list(sphere.packages) == [behind.package.package_id]
    assert rig.outbox.next_package() is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "DISK_FULL"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS"),
        (grpc.StatusCode.UNAVAILABLE, "DRAINING"),
    ],
)
def test_it_waits_as_told_and_loses_nothing(
    rig: Rig, sphere: FakeSphere, clock: HandClock, method: str, code: grpc.StatusCode, reason: str
) -> None:
    new = waiting(rig, METHODS[method])
    times = CHANNEL_ATTEMPTS if (method, code) == ("CreateUpload", grpc.StatusCode.UNAVAILABLE) else 1
    sphere.refuse(method, Refusal(code=code, reason=reason, retry_after_s=40.0), times=times)
    rig.session.round()
    assert sphere.asked[method] == times

    clock.forward(39.9)
    rig.session.round()
    assert sphere.asked[method] == times, "not a moment sooner"

    clock.forward(8.1)  # the jitter on top
    rig.session.round()
    assert has_arrived(sphere, new)
    assert rig.outbox.totals().package_count == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "UNKNOWN_DEVICE"),
        (grpc.StatusCode.PERMISSION_DENIED, "DEVICE_REVOKED"),
    ],
)
def test_a_device_that_is_not_welcome_does_not_spin_and_loses_nothing(
    rig: Rig, sphere: FakeSphere, clock: HandClock, method: str, code: grpc.StatusCode, reason: str
) -> None:
    new = waiting(rig, METHODS[method])
    sphere.refuse(method, Refusal(code=code, reason=reason))
    for _ in range(50):
        rig.session.round()
        clock.forward(1.0)
    assert sphere.asked[method] == 1
    clock.forward(30.0)
    rig.session.round()
    assert has_arrived(sphere, new)


@pytest.mark.parametrize("size_bytes", [SMALL_BYTES, LARGE_BYTES])
def test_an_archive_the_server_cannot_read_has_its_receipt_all_the_same(
    rig: Rig, sphere: FakeSphere, size_bytes: int
) -> None:
    waiting(rig, size_bytes)
    sphere.spoil_receipt = lambda receipt: setattr(receipt, "state", package_pb2.PACKAGE_STATE_FAILED)
    rig.session.round()

    assert rig.outbox.totals().package_count == 0
    assert rig.tally.package_count == 1


class LongestWaits(random.Random):
    """Waits as long as a backoff may, so that its ceiling can be seen."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_backoff_grows_while_nothing_gets_through_and_falls_back_on_progress(
    rig: Rig, sphere: FakeSphere, clock: HandClock
) -> None:
    rig.session = Session(
        rig.contact,
        rig.delivery,
        rig.feedback,
        rig.models,
        tally=rig.tally,
        clock=clock,
        rng=LongestWaits(),
        retry_max_s=8.0,
    )
    waiting(rig, LARGE_BYTES, priority=Priority.LOGS)
    sphere.refuse("CreateUpload", Refusal(code=grpc.StatusCode.INTERNAL, reason="INTERNAL"), times=100)

    def waits_s(count: int) -> list[float]:
        found = []
        for _ in range(count):
            found.append(rig.session.round())
            clock.forward(found[-1] + 0.001)
        return found

    assert waits_s(5) == pytest.approx([0.5, 1.0, 2.0, 4.0, 8.0])
    waiting(rig, SMALL_BYTES, number=2)  # more urgent, and it gets through
    assert waits_s(3) == pytest.approx([0.5, 1.0, 2.0])

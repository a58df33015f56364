"""A package arrives once, whole, over whatever link, and no receipt is believed that is not its own."""

from __future__ import annotations

import os
from collections.abc import Callable

import grpc
import pytest

from tests.fakes.sphere import CHUNK_BYTES, UNAVAILABLE, FakeSphere, Refusal
from tests.tinylcm.builders import package
from tests.tinylcm.sync.conftest import Rig
from tinylcm.ports import NewPackage, OutgoingPackage
from tinylcm.sync.failures import CallError
from tinylcm.sync.upload import MAX_PUT_BYTES


def large(number: int = 1, size_bytes: int = MAX_PUT_BYTES + 300_001) -> NewPackage:
    return package(number, content=os.urandom(size_bytes))


def put(rig: Rig, new: NewPackage) -> OutgoingPackage:
    rig.outbox.put([new])
    found = rig.outbox.next_package()
    assert found is not None
    return found


def send(rig: Rig, found: OutgoingPackage) -> None:
    rig.uploader.send(found, rig.outbox.content_path(found.package_id))


def send_until_there(rig: Rig, found: OutgoingPackage, *, most: int = 100) -> int:
    """Tries again after every break; returns the number of breaks."""
    for breaks in range(most):
        try:
            send(rig, found)
        except CallError as error:
            assert error.is_link_failure, error
        else:
            return breaks
    raise AssertionError(f"not there after {most} attempts")


def test_a_small_package_goes_in_one_request(registered: Rig, sphere: FakeSphere) -> None:
    new = package(1, content=b"evidence")
    send(registered, put(registered, new))

    assert sphere.packages == {new.package.package_id: b"evidence"}
    assert (sphere.asked["PutPackage"], sphere.asked["CreateUpload"]) == (1, 0)
    assert (registered.tally.sent_bytes, registered.tally.resent_bytes) == (8, 0)
    assert registered.tally.package_count == 1


def test_a_large_package_goes_as_a_stream(registered: Rig, sphere: FakeSphere) -> None:
    new = large()
    send(registered, put(registered, new))

    assert sphere.packages == {new.package.package_id: new.content}
    assert sphere.asked["PutPackage"] == 0
    assert registered.tally.sent_bytes == registered.tally.acknowledged_bytes == len(new.content)
    assert registered.tally.resent_bytes == 0


def test_a_broken_stream_goes_on_where_the_server_stands(registered: Rig, sphere: FakeSphere) -> None:
    new = large()
    sphere.break_upload_after = 10 * CHUNK_BYTES
    breaks = send_until_there(registered, put(registered, new))

    assert sphere.packages[new.package.package_id] == new.content
    assert breaks == len(new.content) // (10 * CHUNK_BYTES)
    assert registered.tally.link_failure_count == breaks
    assert sphere.received_bytes == len(new.content), "what the server kept is never sent again"
    assert registered.tally.sent_bytes == len(new.content) + registered.tally.resent_bytes


def test_a_small_package_that_failed_once_resumes_too(registered: Rig, sphere: FakeSphere) -> None:
    new = large(size_bytes=60_000)
    found = put(registered, new)
    sphere.refuse("PutPackage", UNAVAILABLE)
    with pytest.raises(CallError):
        registered.delivery.upload_packages()
    sphere.break_upload_after = CHUNK_BYTES
    found = registered.outbox.next_package() or found

    assert found.attempt_count == 1
    assert send_until_there(registered, found) >= 2
    assert sphere.asked["PutPackage"] == 1
    assert sphere.packages[new.package.package_id] == new.content


def test_a_lost_receipt_costs_no_byte(registered: Rig, sphere: FakeSphere) -> None:
    new = large()
    found = put(registered, new)
    send(registered, found)
    received = sphere.received_bytes
    send(registered, found)

    assert sphere.received_bytes == received
    assert sphere.asked["UploadPackage"] == 1


@pytest.mark.parametrize(
    "reason", ["UPLOAD_OFFSET_MISMATCH", "UPLOAD_NOT_FOUND", "UPLOAD_EXPIRED", "CHUNK_CORRUPT"]
)
def test_what_asks_for_another_opening_gets_it_at_once(
    registered: Rig, sphere: FakeSphere, reason: str
) -> None:
    new = large()
    sphere.refuse("UploadPackage", Refusal(code=grpc.StatusCode.FAILED_PRECONDITION, reason=reason), times=2)
    send(registered, put(registered, new))

    assert sphere.packages[new.package.package_id] == new.content
    assert sphere.asked["CreateUpload"] == 3


def test_reopening_has_an_end(registered: Rig, sphere: FakeSphere) -> None:
    refusal = Refusal(code=grpc.StatusCode.NOT_FOUND, reason="UPLOAD_NOT_FOUND")
    sphere.refuse("UploadPackage", refusal, times=100)

    with pytest.raises(CallError, match="UPLOAD_NOT_FOUND"):
        send(registered, put(registered, large()))
    assert sphere.asked["UploadPackage"] == 4


def test_a_stream_without_progress_is_given_up(registered: Rig, sphere: FakeSphere) -> None:
    sphere.stall_uploads = True
    impatient = registered.make_uploader(stall_timeout_s=0.2)
    found = put(registered, large())

    with pytest.raises(CallError) as caught:
        impatient.send(found, registered.outbox.content_path(found.package_id))
    assert caught.value.code is grpc.StatusCode.CANCELLED
    assert caught.value.is_link_failure


def test_long_uploads_leave_room_for_what_cannot_wait(registered: Rig, sphere: FakeSphere) -> None:
    calls: list[int] = []
    registered.uploader.between_acknowledgements = lambda: calls.append(sphere.received_bytes)
    send(registered, put(registered, large()))

    assert len(calls) >= 5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda receipt: receipt.descriptor.ClearField("sha256"),
        lambda receipt: receipt.ClearField("state"),
        lambda receipt: setattr(receipt.descriptor, "package_id", "another"),
    ],
)
def test_a_receipt_for_something_else_is_not_believed(
    registered: Rig, sphere: FakeSphere, spoil: Callable[[object], None]
) -> None:
    sphere.spoil_receipt = spoil

    with pytest.raises(CallError, match="answered for"):
        send(registered, put(registered, package(1)))
    assert registered.tally.package_count == 0


def test_a_package_that_was_evicted_meanwhile(registered: Rig) -> None:
    found = put(registered, package(1))
    registered.outbox.content_path(found.package_id).unlink()

    with pytest.raises(FileNotFoundError):
        send(registered, found)


def test_what_fits_one_request_depends_on_what_the_link_carried(registered: Rig, sphere: FakeSphere) -> None:
    middling = [large(number, size_bytes=200_000) for number in (1, 2)]
    send(registered, put(registered, middling[0]))
    assert (sphere.asked["PutPackage"], sphere.asked["CreateUpload"]) == (0, 1), "nothing is known yet"

    registered.outbox.remove_package(middling[0].package.package_id)
    send(registered, put(registered, middling[1]))
    assert (sphere.asked["PutPackage"], sphere.asked["CreateUpload"]) == (1, 1), "loopback is fast"

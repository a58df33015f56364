"""What the server refuses for good never blocks the rest; everything else waits and is never lost."""

from __future__ import annotations

import logging

import grpc
import pytest

from tests.fakes.sphere import UNAVAILABLE, FakeSphere, Refusal
from tests.tinylcm.builders import drift_event, package
from tests.tinylcm.sync.conftest import DEVICE_ID, Rig
from tinylcm.ports import MessageKind, NewMessage, Priority
from tinylcm.records import Acknowledgement, FeedbackOutcome
from tinylcm.sync import convert
from tinylcm.sync.failures import CallError
from tinymlops.v1 import drift_pb2


def refusal(code: grpc.StatusCode, reason: str) -> Refusal:
    return Refusal(code=code, reason=reason)


def event_message(number: int) -> NewMessage:
    content = convert.to_drift_event(drift_event(number), DEVICE_ID).SerializeToString()
    return NewMessage(kind=MessageKind.DRIFT_EVENT, content=content)


def answer_message(feedback_id: str) -> NewMessage:
    answer = Acknowledgement(feedback_id=feedback_id, outcome=FeedbackOutcome.REJECTED, reason="no")
    content = convert.to_acknowledgement(answer).SerializeToString()
    return NewMessage(kind=MessageKind.ACKNOWLEDGEMENT, content=content)


def test_packages_leave_in_their_order(registered: Rig, sphere: FakeSphere) -> None:
    priorities = [Priority.LOGS, Priority.SAMPLES, Priority.DRIFT]
    registered.outbox.put([package(number, priority=priority) for number, priority in enumerate(priorities)])
    registered.delivery.upload_packages()

    assert [int(package_id[-12:]) for package_id in sphere.packages] == [2, 1, 0]
    assert registered.outbox.totals().package_count == 0


def test_a_break_keeps_what_was_not_sent(registered: Rig, sphere: FakeSphere) -> None:
    registered.outbox.put([package(1), package(2)])
    sphere.refuse("PutPackage", UNAVAILABLE)

    with pytest.raises(CallError):
        registered.delivery.upload_packages()
    assert registered.outbox.totals().package_count == 2
    registered.delivery.upload_packages()
    assert len(sphere.packages) == 2


@pytest.mark.parametrize("reason", ["PACKAGE_TOO_LARGE", "PACKAGE_CONFLICT", "INVALID_FIELD"])
def test_a_hopeless_package_is_kept_aside(
    registered: Rig, sphere: FakeSphere, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    registered.outbox.put([package(1), package(2)])
    sphere.refuse("PutPackage", refusal(grpc.StatusCode.INVALID_ARGUMENT, reason))
    with caplog.at_level(logging.ERROR):
        registered.delivery.upload_packages()

    assert list(sphere.packages) == [package(2).package.package_id]
    assert "kept aside" in caplog.text
    registered.delivery.upload_packages()
    assert sphere.asked["PutPackage"] == 2


def test_a_digest_that_does_not_fit_is_tried_once_more(
    registered: Rig, sphere: FakeSphere, caplog: pytest.LogCaptureFixture
) -> None:
    new = package(1)
    registered.outbox.put([new])
    sphere.refuse("PutPackage", refusal(grpc.StatusCode.INVALID_ARGUMENT, "DIGEST_MISMATCH"), times=2)
    caplog.set_level(logging.CRITICAL)

    registered.delivery.upload_packages()
    assert registered.outbox.next_package() is not None
    registered.delivery.upload_packages()
    assert registered.outbox.next_package() is None
    assert registered.outbox.is_whole(new.package)


def test_a_package_that_rotted_on_disk_is_kept_aside_unsent(
    registered: Rig, sphere: FakeSphere, caplog: pytest.LogCaptureFixture
) -> None:
    rotten = package(1)
    registered.outbox.put([rotten, package(2)])
    path = registered.outbox.content_path(rotten.package.package_id)
    path.write_bytes(b"recorda")
    with caplog.at_level(logging.ERROR):
        registered.delivery.upload_packages()

    assert list(sphere.packages) == [package(2).package.package_id]
    assert sphere.asked["PutPackage"] == 1
    assert f"{rotten.package.package_id} is kept aside: its file is damaged" in caplog.text
    assert path.exists()


def test_a_quota_is_waited_for_as_told(registered: Rig, sphere: FakeSphere) -> None:
    registered.outbox.put([package(1)])
    busy = Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="QUOTA_EXCEEDED", retry_after_s=7.5)
    sphere.refuse("PutPackage", busy)

    with pytest.raises(CallError) as caught:
        registered.delivery.upload_packages()
    assert caught.value.wait_s == 7.5
    assert not caught.value.is_refusal
    assert registered.outbox.totals().package_count == 1


def test_an_error_nobody_foresaw_loses_nothing(registered: Rig, sphere: FakeSphere) -> None:
    registered.outbox.put([package(1)], [event_message(1)])
    broken = refusal(grpc.StatusCode.INTERNAL, "INTERNAL")
    sphere.refuse("PutPackage", broken)
    sphere.refuse("ReportDriftEvents", broken)

    for send in (registered.delivery.upload_packages, registered.delivery.report_drift_events):
        with pytest.raises(CallError):
            send()
        send()
    assert len(sphere.packages) == len(sphere.drift_events) == 1


def test_drift_events_arrive_in_batches(registered: Rig, sphere: FakeSphere) -> None:
    registered.outbox.put(messages=[event_message(number) for number in range(150)])
    registered.delivery.report_drift_events()

    assert len(sphere.drift_events) == 150
    assert sphere.asked["ReportDriftEvents"] == 2
    assert registered.outbox.totals().message_count == 0


def test_one_bad_message_does_not_spoil_its_batch(
    registered: Rig, sphere: FakeSphere, caplog: pytest.LogCaptureFixture
) -> None:
    registered.outbox.put(messages=[event_message(1), event_message(2), event_message(3)])
    bad = refusal(grpc.StatusCode.ALREADY_EXISTS, "DRIFT_EVENT_CONFLICT")
    sphere.refuse("ReportDriftEvents", bad, times=2)  # the batch, then the first event alone
    with caplog.at_level(logging.ERROR):
        registered.delivery.report_drift_events()

    assert list(sphere.drift_events) == [drift_event(2).drift_event_id, drift_event(3).drift_event_id]
    assert "dropped" in caplog.text
    assert registered.outbox.totals().message_count == 0


def test_answers_the_server_does_not_know_are_dropped_and_the_rest_arrive(
    registered: Rig, sphere: FakeSphere, caplog: pytest.LogCaptureFixture
) -> None:
    known = sphere.give_feedback(DEVICE_ID, drift_pb2.Sample(), decision=3, label="")
    registered.outbox.put(messages=[answer_message("lost with the server's disk"), answer_message(known)])
    caplog.set_level(logging.CRITICAL)
    registered.delivery.acknowledge_feedback()

    assert sphere.feedback[known].reason == "no"
    assert registered.outbox.totals().message_count == 0

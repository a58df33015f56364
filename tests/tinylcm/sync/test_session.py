"""A round does what can be done, waits for what cannot, and goes on by itself when the link returns."""

from __future__ import annotations

import logging

import grpc
import pytest

from tests.fakes.sphere import FakeSphere, Refusal
from tests.support.waiting import eventually
from tests.tinylcm.builders import HandClock, drift_event, package
from tests.tinylcm.sync.conftest import DEVICE_ID, Rig
from tests.tinylcm.sync.test_delivery import answer_message, event_message
from tinymlops.v1 import drift_pb2


def fill(rig: Rig, sphere: FakeSphere) -> None:
    feedback_id = sphere.give_feedback(DEVICE_ID, drift_pb2.Sample(), decision=3, label="")
    rig.outbox.put([package(1)], [event_message(1), answer_message(feedback_id)])


def rounds(rig: Rig, clock: HandClock, count: int) -> None:
    for _ in range(count):
        clock.forward(rig.session.round())


def test_one_round_does_everything(rig: Rig, sphere: FakeSphere) -> None:
    fill(rig, sphere)
    wait_s = rig.session.round()

    assert DEVICE_ID in sphere.devices
    assert len(sphere.heartbeats) == 1
    assert list(sphere.drift_events) == [drift_event(1).drift_event_id]
    assert len(sphere.packages) == 1
    assert sphere.feedback["feedback-1"].reason == "no"
    assert sphere.asked["CheckUpdate"] == 1
    assert rig.outbox.totals().package_count == rig.outbox.totals().message_count == 0
    assert 0.18 <= wait_s <= 0.22


def test_an_idle_device_costs_one_request_a_round(rig: Rig, sphere: FakeSphere, clock: HandClock) -> None:
    rounds(rig, clock, 2)
    before = sum(sphere.asked.values())
    rounds(rig, clock, 5)

    assert sum(sphere.asked.values()) == before + 5


def test_without_a_server_the_device_waits_longer_and_longer_and_loses_nothing(
    rig: Rig, sphere: FakeSphere, clock: HandClock
) -> None:
    fill(rig, sphere)
    sphere.stop()
    waits = [rig.session.round()]
    for _ in range(6):
        clock.forward(waits[-1] + 0.001)
        waits.append(rig.session.round())
    assert all(0.0 <= wait_s <= 8.0 for wait_s in waits)
    assert rig.outbox.totals().package_count == 1

    sphere.start()

    def all_arrived_after_a_round() -> bool:
        clock.forward(8.0)
        rig.session.round()
        return len(sphere.packages) == len(sphere.drift_events) == 1

    eventually(all_arrived_after_a_round)  # the channels come back by a clock of their own


def test_services_stand_and_fall_alone(rig: Rig, sphere: FakeSphere, clock: HandClock) -> None:
    fill(rig, sphere)
    gone = Refusal(code=grpc.StatusCode.DEADLINE_EXCEEDED)
    sphere.refuse("ReportDriftEvents", gone)
    rig.session.round()
    assert len(sphere.packages) == 1
    assert sphere.drift_events == {}
    assert sphere.asked["AcknowledgeFeedback"] == 0, "the drift service is left alone for this round"
    assert sphere.asked["CheckUpdate"] == 1

    clock.forward(1.0)
    rig.session.round()
    assert len(sphere.drift_events) == 1


def test_what_a_server_asks_for_is_kept_also_when_new_evidence_comes(
    rig: Rig, sphere: FakeSphere, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    rig.outbox.put([package(1)])
    busy = Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="DISK_FULL", retry_after_s=30.0)
    sphere.refuse("PutPackage", busy)
    rig.session.round()
    rig.outbox.put([package(2)])
    clock.forward(29.0)
    rig.session.round()
    assert sphere.packages == {}

    clock.forward(2.0)
    rig.session.round()
    assert len(sphere.packages) == 2


def test_a_device_the_server_forgot_is_soon_back(
    rig: Rig, sphere: FakeSphere, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    rounds(rig, clock, 1)
    sphere.devices.clear()
    rig.outbox.put([package(1)])
    rounds(rig, clock, 3)

    assert DEVICE_ID in sphere.devices
    assert len(sphere.packages) == 1


def test_a_heartbeat_and_urgent_news_do_not_wait_for_a_long_upload(
    registered: Rig, sphere: FakeSphere, clock: HandClock
) -> None:
    registered.outbox.put([package(1, content=bytes(range(256)) * 8192)])
    seen: list[int] = []

    def in_between() -> None:
        clock.forward(1.0)
        if not seen:
            registered.outbox.put(messages=[event_message(1)])
        registered.session.keep_in_touch()
        seen.append(registered.outbox.totals().package_count)

    registered.uploader.between_acknowledgements = in_between
    registered.session.round()

    assert set(seen) == {1}, "no receipt was held yet"
    assert len(sphere.heartbeats) >= len(seen)
    assert len(sphere.drift_events) == 1
    assert len(sphere.packages) == 1

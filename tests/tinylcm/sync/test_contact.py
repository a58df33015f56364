"""Registration, heartbeats, and the mode that an operator chose."""

from __future__ import annotations

import pytest

from tests.fakes.sphere import UNAVAILABLE, FakeSphere
from tests.tinylcm.builders import MODEL, HandClock
from tests.tinylcm.sync.conftest import DEVICE_ID, Rig
from tinylcm.records import Mode
from tinylcm.sync.failures import CallError
from tinylcm.sync.remembered import registered_mode
from tinymlops.v1 import device_pb2


def test_a_device_says_who_it_is_and_how_it_is(rig: Rig, sphere: FakeSphere) -> None:
    rig.contact.keep()

    device = sphere.devices[DEVICE_ID]
    assert (device.display_name, dict(device.labels)) == ("Gate 1", {"site": "hall-2"})
    assert device.HasField("location"), "0.0/0.0 is a place"
    assert device.mode == device_pb2.MODE_VALIDATED_LEARNING
    assert device.platform.machine == "x86_64"
    [heartbeat] = sphere.heartbeats
    assert heartbeat.sequence == 1
    assert heartbeat.counters.prediction_count == 7
    assert heartbeat.status.running_model.bundle_sha256 == MODEL.bundle_sha256
    assert heartbeat.status.drifting


def test_heartbeats_keep_the_interval_the_server_asks_for(
    registered: Rig, sphere: FakeSphere, clock: HandClock
) -> None:
    sphere.heartbeat_interval_s = 60.0
    clock.forward(60)
    registered.contact.keep()
    due_s = registered.contact.next_heartbeat_s - clock.monotonic_s()
    assert 54.0 <= due_s <= 66.0

    clock.forward(due_s - 0.1)
    registered.contact.keep()
    assert len(sphere.heartbeats) == 2
    clock.forward(0.2)
    registered.contact.keep()
    assert [heartbeat.sequence for heartbeat in sphere.heartbeats] == [1, 2, 3]
    assert len({heartbeat.boot_id for heartbeat in sphere.heartbeats}) == 1
    assert sphere.asked["RegisterDevice"] == 1


def test_a_device_the_server_forgot_registers_again(
    registered: Rig, sphere: FakeSphere, clock: HandClock
) -> None:
    sphere.devices.clear()
    clock.forward(10)

    with pytest.raises(CallError, match="DEVICE_NOT_FOUND"):
        registered.contact.keep()
    registered.contact.keep()
    assert sphere.devices[DEVICE_ID].mode == device_pb2.MODE_VALIDATED_LEARNING


def test_the_mode_of_the_server_counts_from_then_on(
    registered: Rig, sphere: FakeSphere, clock: HandClock
) -> None:
    assert registered.device.modes == [Mode.VALIDATED_LEARNING]
    sphere.mode = device_pb2.MODE_MONITORING_ONLY
    clock.forward(10)
    registered.contact.keep()
    assert registered.device.modes[-1] is Mode.MONITORING_ONLY
    assert registered_mode(registered.outbox, Mode.AUTONOMOUS) is Mode.MONITORING_ONLY

    sphere.devices[DEVICE_ID].mode = device_pb2.MODE_CENTRALIZED
    registered.make_contact().keep()  # the next boot
    assert sphere.devices[DEVICE_ID].mode == device_pb2.MODE_CENTRALIZED
    assert registered.device.modes[-2:] == [Mode.CENTRALIZED, Mode.MONITORING_ONLY]


def test_an_unknown_mode_changes_nothing(registered: Rig, sphere: FakeSphere, clock: HandClock) -> None:
    sphere.mode = 99  # type: ignore[assignment]  # from a newer server
    clock.forward(10)
    registered.contact.keep()

    assert registered.device.modes == [Mode.VALIDATED_LEARNING]


def test_marks_only_grow(registered: Rig, sphere: FakeSphere, clock: HandClock) -> None:
    from tinymlops.v1 import drift_pb2

    sphere.give_feedback(DEVICE_ID, drift_pb2.Sample(), decision=3, label="")
    clock.forward(10)
    registered.contact.keep()
    sphere.feedback.clear()
    clock.forward(10)
    registered.contact.keep()

    assert registered.contact.feedback_mark == 1


def test_a_short_outage_is_bridged_by_the_channel(rig: Rig, sphere: FakeSphere) -> None:
    sphere.refuse("RegisterDevice", UNAVAILABLE)
    rig.contact.keep()

    assert sphere.asked["RegisterDevice"] == 2

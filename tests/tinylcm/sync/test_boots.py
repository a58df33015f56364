"""What boots counted is told of until a server has heard it, and never twice in effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import grpc
import pytest

from tests.fakes.sphere import FakeSphere, Refusal
from tests.tinylcm.sync.conftest import DEVICE_ID, RecordingDevice, Rig
from tinylcm.ports import Json
from tinylcm.sync.boots import MOST_BOOTS, BootCount, Boots
from tinylcm.sync.failures import CallError
from tinylcm.sync.local import DeviceReport
from tinylcm.sync.tally import TransferTally
from tinymlops.v1.device_service_pb2 import HeartbeatRequest


def boot(number: int, predictions: int = 0, **facts: int) -> Json:
    """A stored boot."""
    counts = dict.fromkeys(BootCount(boot_id="x").counters, 0)
    boot_id = f"01930000-0000-7000-9000-{number:012d}"
    return {"boot_id": boot_id, "sequence": 0, **counts, "prediction_count": predictions, **facts}


def fresh(stored: Sequence[Json] = (), predictions: int = 0) -> Boots:
    """A boot after those of ``stored``."""

    def report() -> DeviceReport:
        return replace(RecordingDevice().report(), prediction_count=predictions)

    boots = Boots("01930000-0000-7000-8000-999999999999", report, TransferTally())
    boots.take_up(stored)
    return boots


def told(heartbeats: Sequence[HeartbeatRequest]) -> int:
    """Predictions by the contract's sentence: the newest sequence of every boot, added up."""
    newest: dict[str, HeartbeatRequest] = {}
    for heartbeat in heartbeats:
        if heartbeat.sequence >= newest.get(heartbeat.boot_id, heartbeat).sequence:
            newest[heartbeat.boot_id] = heartbeat
    return sum(heartbeat.counters.prediction_count for heartbeat in newest.values())


def test_a_boot_without_a_network_is_told_of_by_the_next(rig: Rig, sphere: FakeSphere) -> None:
    rig.boots.take_up([boot(1, 30), boot(2, 12, sequence=4)])
    rig.contact.keep()
    rig.contact.keep()

    assert [(one.boot_id[-2:], one.sequence) for one in sphere.heartbeats[:2]] == [("01", 1), ("02", 5)]
    assert len(sphere.heartbeats) == 3, "each once, and then this boot"
    assert told(sphere.heartbeats) == 30 + 12 + 7
    assert [it["prediction_count"] for it in rig.boots.state()] == [7], "only this boot is still kept"


def test_what_was_lost_on_the_way_is_told_again_under_a_newer_sequence(rig: Rig, sphere: FakeSphere) -> None:
    rig.boots.take_up([boot(1, 30)])
    sphere.refuse("Heartbeat", Refusal(code=grpc.StatusCode.INTERNAL))
    with pytest.raises(CallError):
        rig.contact.keep()
    stored = rig.boots.state()
    assert (stored[0]["sequence"], stored[0]["prediction_count"]) == (1, 30)

    rig.contact.keep()
    assert told(sphere.heartbeats) == 30 + 7
    assert sphere.heartbeats[0].sequence == 2


def test_what_a_server_can_never_take_does_not_stand_in_the_way(rig: Rig, sphere: FakeSphere) -> None:
    rig.boots.take_up([boot(1, 30)])
    sphere.refuse("Heartbeat", Refusal(code=grpc.StatusCode.INVALID_ARGUMENT, reason="INVALID_FIELD"))
    rig.contact.keep()

    assert [heartbeat.counters.prediction_count for heartbeat in sphere.heartbeats] == [7]
    assert rig.boots.earlier == ()
    assert sphere.devices[DEVICE_ID]


def test_however_many_boots_no_count_is_lost() -> None:
    stored: list[Json] = []
    for number in range(3 * MOST_BOOTS):
        boots = Boots(f"boot-{number}", RecordingDevice().report, TransferTally())
        boots.take_up(stored)
        stored = boots.state(coming_drift_events=number % 2)

    assert len(stored) <= MOST_BOOTS + 1
    assert sum(it["prediction_count"] for it in stored) == 7 * 3 * MOST_BOOTS
    assert sum(it["drift_event_count"] for it in stored) == (2 * 2 + 1) * 3 * MOST_BOOTS // 2
    assert len({it["boot_id"] for it in stored}) == len(stored)


def test_a_boot_that_may_have_been_heard_is_never_added_to_another(caplog: pytest.LogCaptureFixture) -> None:
    heard = [boot(number, 1, sequence=3) for number in range(MOST_BOOTS + 1)]
    boots = fresh([*heard, boot(100, 5)])

    assert len(boots.earlier) == MOST_BOOTS
    assert [it.prediction_count for it in boots.earlier] == [1] * (MOST_BOOTS - 1) + [5]
    assert "given up" in caplog.text


def test_a_boot_that_counted_nothing_is_not_kept() -> None:
    counted_nothing = replace(
        RecordingDevice().report(), prediction_count=0, drift_event_count=0, adaptation_count=0
    )
    assert Boots("boot-1", lambda: counted_nothing, TransferTally()).state() == []


@pytest.mark.parametrize("damage", [{"prediction_count": "many"}, {"boot_id": None, "sequence": None}, []])
def test_damaged_counters_are_left_out(damage: Any, caplog: pytest.LogCaptureFixture) -> None:
    facts = boot(1, 30) | damage if damage else damage
    boots = fresh([facts, boot(2, 12)])

    assert [it.prediction_count for it in boots.earlier] == [12]
    assert "damaged" in caplog.text

"""The store of devices, over each database."""

import pytest

from tests.tinysphere.storage.records import BOOT_ID, DEVICE_ID, at, heartbeat, profile
from tinysphere.domain.devices import DeviceCounters, DeviceStatus, Mode, WaitingWork
from tinysphere.domain.ids import new_id
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore


@pytest.fixture
def store(database: Database) -> SqlDeviceStore:
    return SqlDeviceStore(database)


def test_a_device_is_stored_as_it_says(store: SqlDeviceStore) -> None:
    device = store.register(profile(), at(1))
    assert device == store.get(DEVICE_ID)
    assert device.profile == profile()
    assert (device.register_time, device.last_contact_time) == (at(1), at(1))
    assert (device.status, device.counters) == (DeviceStatus(), DeviceCounters())


def test_registering_again_changes_only_what_differs(store: SqlDeviceStore) -> None:
    store.register(profile(), at(1))
    store.record_heartbeat(heartbeat(), at(2))
    store.announce({DEVICE_ID: WaitingWork(feedback_mark=5)})
    again = profile(display_name="", labels={"site": "roof"}, location=None, mode=None)
    device = store.register(again, at(3))
    assert device.profile.labels == {"site": "roof"}
    assert device.profile.location is None
    assert device.profile.mode is Mode.VALIDATED_LEARNING
    assert (device.register_time, device.last_contact_time) == (at(1), at(3))
    assert (device.status, device.counters) == (heartbeat().status, heartbeat().counters)
    answer = store.record_heartbeat(heartbeat(), at(4))
    assert answer is not None
    assert answer.waiting_work.feedback_mark == 5


def test_unknown_devices_have_no_heartbeat(store: SqlDeviceStore) -> None:
    assert store.record_heartbeat(heartbeat(), at(1)) is None
    assert store.get(DEVICE_ID) is None


def test_counters_of_boots_add_up_and_repetitions_count_nothing(store: SqlDeviceStore) -> None:
    store.register(profile(), at(1))
    counts = [(1, 10), (3, 30), (2, 20), (3, 99)]  # late and repeated sequences change nothing
    for sequence, count in counts:
        counters = DeviceCounters(prediction_count=count)
        store.record_heartbeat(heartbeat(sequence=sequence, counters=counters), at(2))
    other_boot = heartbeat(boot_id=new_id(at(50)), counters=DeviceCounters(prediction_count=7))
    store.record_heartbeat(other_boot, at(3))
    device = store.get(DEVICE_ID)
    assert device is not None
    assert device.counters == DeviceCounters(prediction_count=37)


def test_counters_never_shrink(store: SqlDeviceStore) -> None:
    store.register(profile(), at(1))
    store.record_heartbeat(heartbeat(counters=DeviceCounters(prediction_count=9, sent_bytes=1)), at(2))
    smaller = DeviceCounters(prediction_count=3, sent_bytes=2)
    store.record_heartbeat(heartbeat(sequence=2, counters=smaller), at(3))
    device = store.get(DEVICE_ID)
    assert device is not None
    assert device.counters == DeviceCounters(prediction_count=9, sent_bytes=2)


def test_a_late_heartbeat_is_a_contact_but_not_the_status(store: SqlDeviceStore) -> None:
    store.register(profile(), at(1))
    store.record_heartbeat(heartbeat(sequence=2), at(2))
    store.record_heartbeat(heartbeat(sequence=1, status=DeviceStatus(outbox_count=9)), at(3))
    device = store.get(DEVICE_ID)
    assert device is not None
    assert device.status == heartbeat().status
    assert device.last_contact_time == at(3)


def test_the_newest_boot_says_the_status(store: SqlDeviceStore) -> None:
    store.register(profile(), at(1))
    store.record_heartbeat(heartbeat(sequence=200), at(2))
    after_restart = heartbeat(boot_id=new_id(at(9)), sequence=1, status=DeviceStatus(outbox_count=9))
    store.record_heartbeat(after_restart, at(3))
    device = store.get(DEVICE_ID)
    assert device is not None
    assert device.status == DeviceStatus(outbox_count=9)
    assert after_restart.boot_id != BOOT_ID


def test_marks_only_grow(store: SqlDeviceStore) -> None:
    store.register(profile(), at(1))
    store.announce({DEVICE_ID: WaitingWork(feedback_mark=5, update_mark=1)})
    assert store.announce({DEVICE_ID: WaitingWork(feedback_mark=3, update_mark=2)}) == []
    answer = store.record_heartbeat(heartbeat(), at(2))
    assert answer is not None
    assert answer.waiting_work == WaitingWork(feedback_mark=5, update_mark=2)
    assert answer.mode is Mode.VALIDATED_LEARNING


def test_unknown_devices_do_not_hold_up_the_rest(store: SqlDeviceStore) -> None:
    store.register(profile(), at(1))
    mark = WaitingWork(update_mark=4)
    assert store.announce({"zebra": mark, DEVICE_ID: mark, "antelope": mark}) == ["antelope", "zebra"]
    answer = store.record_heartbeat(heartbeat(), at(2))
    assert answer is not None
    assert answer.waiting_work == mark


def test_pages_follow_ids_and_labels(store: SqlDeviceStore) -> None:
    for number in range(6):
        labels = {"site": "gate" if number % 2 else "roof", "wave": "1"}
        store.register(profile(device_id=f"camera-{number}", labels=labels), at(1))
        store.record_heartbeat(heartbeat(device_id=f"camera-{number}"), at(2))

    def ids(labels: dict[str, str], after: str | None, limit: int) -> list[str]:
        return [device.profile.device_id for device in store.page(labels, after=after, limit=limit)]

    assert ids({}, None, 4) == ["camera-0", "camera-1", "camera-2", "camera-3"]
    assert ids({}, "camera-3", 4) == ["camera-4", "camera-5"]
    assert ids({"site": "gate"}, None, 9) == ["camera-1", "camera-3", "camera-5"]
    assert ids({"site": "gate", "wave": "1"}, "camera-1", 9) == ["camera-3", "camera-5"]
    assert ids({"site": "gate", "wave": "2"}, None, 9) == []
    assert all(device.counters == heartbeat().counters for device in store.page({}, after=None, limit=9))

"""What people decide about a device, beside what it says of itself, over each database."""

from collections.abc import Iterator

import pytest

from tests.tinysphere.storage.records import DEVICE_ID, at, heartbeat, profile
from tinysphere.domain.devices import Device, DeviceEdit, Mode
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore


@pytest.fixture
def store(migrated_url: str) -> Iterator[SqlDeviceStore]:
    database = Database(migrated_url)
    store = SqlDeviceStore(database)
    store.register(profile(), at(1))
    yield store
    database.dispose()


def held(store: SqlDeviceStore) -> Device:
    device = store.get(DEVICE_ID)
    assert device is not None
    return device


def test_an_edit_changes_what_it_names_and_nothing_else(store: SqlDeviceStore) -> None:
    before = held(store)
    changes = {"mode": Mode.CENTRALIZED, "display_name": "Door", "labels": {"wave": "2"}}
    for name, value in changes.items():
        edited = store.edit(DeviceEdit(device_id=DEVICE_ID, **{name: value}))  # type: ignore[arg-type]  # of that field
        assert edited == held(store)
        assert getattr(held(store).profile, name) == value
    assert held(store).profile == profile(**changes)
    assert held(store).last_contact_time == before.last_contact_time


def test_an_unknown_device_is_not_made(store: SqlDeviceStore) -> None:
    for edit in ({"mode": Mode.CENTRALIZED}, {"labels": {"a": "b"}}):
        assert store.edit(DeviceEdit(device_id="stranger", **edit)) is None  # type: ignore[arg-type]  # of that field
    assert store.get("stranger") is None


def test_name_and_labels_may_be_emptied(store: SqlDeviceStore) -> None:
    store.edit(DeviceEdit(device_id=DEVICE_ID, display_name="", labels={}))
    assert held(store).profile == profile(display_name="", labels={})


def test_an_edited_mode_is_told_by_the_next_heartbeat(store: SqlDeviceStore) -> None:
    store.edit(DeviceEdit(device_id=DEVICE_ID, mode=Mode.MONITORING_ONLY))
    answer = store.record_heartbeat(heartbeat(), at(2))
    assert answer is not None
    assert answer.mode is Mode.MONITORING_ONLY


def test_a_device_that_registers_the_same_again_undoes_no_edit(store: SqlDeviceStore) -> None:
    edit = DeviceEdit(
        device_id=DEVICE_ID, mode=Mode.CENTRALIZED, display_name="Door", labels={"wave": "2", "floor": "1"}
    )
    store.edit(edit)
    for moment in (2, 3):
        device = store.register(profile(mode=None), at(moment))
        assert device.profile == profile(mode=edit.mode, display_name="Door", labels=edit.labels)
        assert device.last_contact_time == at(moment)


def test_a_device_that_registers_others_is_believed(store: SqlDeviceStore) -> None:
    store.edit(DeviceEdit(device_id=DEVICE_ID, display_name="Door", labels={"wave": "2"}))
    renamed = profile(display_name="Camera two")
    assert store.register(renamed, at(2)).profile == profile(display_name="Camera two", labels={"wave": "2"})
    moved = profile(display_name="Camera two", labels={"site": "roof"})
    assert store.register(moved, at(3)).profile == moved
    assert store.register(profile(), at(4)).profile == profile()

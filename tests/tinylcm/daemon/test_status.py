"""What `tinylcm status` says of a device that adapts, and of one that is just beginning."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

from tests.tinylcm.builders import HandClock, package
from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.sync.test_packing import adaptation
from tinylcm.daemon.layout import Layout
from tinylcm.daemon.status import read_status
from tinylcm.daemon.transfer import TransferNote
from tinylcm.pipeline.lineage import pack_adaptation
from tinylcm.records import AdaptationState
from tinylcm.sync.tally import Progress


def test_the_last_five_adaptations_are_shown_oldest_first(home: DeviceFolder) -> None:
    home.install()
    engine = home.open().models.engine
    assert engine is not None
    assert read_status(home.settings())["adaptations"] == []

    tried = [
        replace(adaptation(AdaptationState.REFUSED), adaptation_id=f"adaptation-{number}")
        for number in range(7)
    ]
    meta, arrays = engine.pipeline.state()
    meta = {**meta, "lineage": {"records": [pack_adaptation(one) for one in tried]}}
    engine.snapshots.save({"checkpoint": 1, "next_index": 0, "pipeline": meta}, arrays)

    shown = read_status(home.settings())["adaptations"]
    assert [one["adaptation_id"] for one in shown] == [f"adaptation-{number}" for number in range(2, 7)]
    assert {(one["kind"], one["state"]) for one in shown} == {(tried[0].kind.value, "REFUSED")}
    assert {one["decide_time"] for one in shown} == {tried[0].decide_time.isoformat()}


def test_an_outbox_that_is_being_made_is_none_yet(home: DeviceFolder) -> None:
    home.install()
    folder = home.state / "outbox"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "outbox.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        assert read_status(home.settings())["outbox"] is None


def test_the_package_under_way_is_shown_until_its_receipt(home: DeviceFolder) -> None:
    home.install()
    device = home.open()
    new = package(1, content=bytes(1000))
    device.outbox.put([new])
    package_id = new.package.package_id
    clock = HandClock()
    note = TransferNote(Layout(data_dir=home.state).transfer, clock)
    assert read_status(home.settings())["transfer"] is None

    def shown(acknowledged_bytes: int) -> dict[str, object]:
        note.take(Progress(package_id=package_id, acknowledged_bytes=acknowledged_bytes, size_bytes=1000))
        transfer: dict[str, object] = read_status(home.settings())["transfer"]
        return transfer

    assert shown(100)["acknowledged_bytes"] == 100
    assert shown(200)["acknowledged_bytes"] == 100, "written once a second at most"
    clock.forward(1.0)
    assert shown(250) == {
        "package_id": package_id,
        "acknowledged_bytes": 250,
        "size_bytes": 1000,
        "acknowledged_share": 0.25,
        "time": clock.now().isoformat(),
    }
    device.outbox.remove_package(package_id)
    assert read_status(home.settings())["transfer"] is None


def test_a_damaged_note_of_a_transfer_is_none(home: DeviceFolder) -> None:
    home.install()
    home.open()
    for content in ("", "{", "[]", '{"package_id": "a"}', '{"acknowledged_bytes": 0, "size_bytes": 0}'):
        Layout(data_dir=home.state).transfer.write_text(content)
        assert read_status(home.settings())["transfer"] is None

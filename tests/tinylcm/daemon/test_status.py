"""What `tinylcm status` says of a device that adapts, and of one that is just beginning."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.sync.test_packing import adaptation
from tinylcm.daemon.status import read_status
from tinylcm.pipeline.lineage import pack_adaptation
from tinylcm.records import AdaptationState


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

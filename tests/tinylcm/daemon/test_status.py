"""What `tinylcm status` says of a device that adapts."""

from __future__ import annotations

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

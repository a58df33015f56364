"""A step back by hand tells what it takes back, once, and survives a power cut on the way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.daemon.test_checkpoints import engine_of, run_to_the_end
from tests.tinylcm.pipeline.test_self_adaptation import ALONE, in_sensor_drift, shifted
from tests.tinylcm.pipeline.world import World, draw, learned_state, state_through_json
from tests.tinylcm.sync.test_packing import read, unpack
from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.daemon.history import go_back
from tinylcm.daemon.taken_back import UNTOLD, untold
from tinylcm.pipeline.lineage import pack_adaptation
from tinylcm.ports import NewPackage
from tinylcm.records import AdaptationState, Mode
from tinymlops.v1 import adaptation_pb2

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def history(tmp_path: Path) -> tuple[SnapshotFolder, World]:
    """A snapshot from before a sensor correction, one on its probation, one when it was confirmed."""
    learned = learned_state()
    folder, before = SnapshotFolder(tmp_path, keep_count=9), World(learned, mode=Mode.AUTONOMOUS)
    before.see(*draw(np.random.default_rng(5), 100))
    world = in_sensor_drift(learned)
    states = [state_through_json(before.pipeline), state_through_json(world.pipeline)]
    world.see(*shifted(7, 100))
    states.append(state_through_json(world.pipeline))
    for number, (meta, arrays) in enumerate(states):
        folder.save({"checkpoint": number, "next_index": 10 * number, "pipeline": meta}, arrays)
    return folder, world


def test_a_step_back_tells_what_it_takes_back(history: tuple[SnapshotFolder, World]) -> None:
    folder, world = history
    (confirmed,) = world.pipeline.adaptations
    way_back = go_back(folder, folder.ids()[0], now=NOW, reason="somebody says so")
    (undone,) = way_back.undone
    assert undone.adaptation_id == confirmed.adaptation_id
    assert (undone.state, undone.reason) == (AdaptationState.ROLLED_BACK, "somebody says so")
    assert (undone.kind, undone.effect, undone.decide_time) == (confirmed.kind, confirmed.effect, NOW)
    assert f"rolled back: {undone.description}" in way_back.differences()

    meta, arrays = folder.load(way_back.written.snapshot_id)
    assert untold(meta) == [undone]
    again = World(world.learned, mode=Mode.AUTONOMOUS, settings=ALONE)
    again.pipeline.restore(meta["pipeline"], arrays)
    assert again.pipeline.adaptations == (undone,)
    assert again.pipeline.learned.correction.is_identity


def test_what_is_untold_stays_so_over_a_second_step(history: tuple[SnapshotFolder, World]) -> None:
    folder, _ = history
    first = go_back(folder, folder.ids()[0], now=NOW, reason="one")
    second = go_back(folder, folder.ids()[0], now=NOW, reason="two")
    assert second.undone == ()
    assert untold(folder.load(second.written.snapshot_id)[0]) == list(first.undone)


def test_what_still_stands_is_not_told(history: tuple[SnapshotFolder, World]) -> None:
    folder, _ = history
    way_back = go_back(folder, folder.ids()[1], now=NOW, reason="back on probation")
    assert way_back.undone == ()
    assert UNTOLD not in folder.load(way_back.written.snapshot_id)[0]


def test_what_is_untold_goes_out_with_the_next_checkpoint(
    home: DeviceFolder, drifting_images: NDArray[np.uint8], history: tuple[SnapshotFolder, World]
) -> None:
    [confirmed] = history[1].pipeline.adaptations
    home.install()
    device = run_to_the_end(home, drifting_images[:30])
    snapshots = engine_of(device).snapshots
    stored = snapshots.load_newest()
    assert stored is not None
    snapshots.save({**stored[1], UNTOLD: [pack_adaptation(confirmed)]}, stored[2])
    home.close()

    device = run_to_the_end(home, drifting_images[:55])
    assert adaptations_in(device.outbox) == [confirmed.adaptation_id]
    newest = engine_of(device).snapshots.load_newest()
    assert newest is not None
    assert UNTOLD not in newest[1]
    home.close()
    assert adaptations_in(run_to_the_end(home, drifting_images[:60]).outbox) == [confirmed.adaptation_id]


def adaptations_in(outbox: SqliteOutbox) -> list[str]:
    """Ids of all that wait to be told, once for each time they are."""
    ids, skipping = [], list[str]()
    while (found := outbox.next_package(skipping=skipping)) is not None:
        skipping.append(found.package_id)
        content = outbox.content_path(found.package_id).read_bytes()
        _, files = unpack(NewPackage(package=found, content=content))
        told = read(files.get("adaptations.pb", b""), adaptation_pb2.Adaptation)
        ids += [one.adaptation_id for one in told]
    return ids

"""A device that keeps dying leaves behind what kills it; one that is only switched off keeps everything."""

from __future__ import annotations

import logging

import pytest

from tests.tinylcm.builders import labelled_images
from tests.tinylcm.daemon.conftest import DeviceFolder, frames_of, show
from tests.tinylcm.daemon.test_checkpoints import engine_of, run_to_the_end
from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.core.drift.calibration import build_monitor
from tinylcm.daemon.build import Device
from tinylcm.daemon.history import read_history
from tinylcm.daemon.logs import RecentWarnings
from tinylcm.daemon.service import Service
from tinylcm.daemon.starts import HEALTHY_PREDICTIONS, MOST_FAILURES
from tinylcm.errors import TinyLcmError
from tinylcm.pipeline.learned import LearnedState

IMAGES = labelled_images(200, seed=11)[0]


def folder_of(device: Device) -> SnapshotFolder:
    return engine_of(device).snapshots


def live(home: DeviceFolder, until: int) -> None:
    """A life that makes checkpoints at every 25 frames and ends in order."""
    run_to_the_end(home, IMAGES[:until])


def monitor_of(device: Device) -> object:
    return engine_of(device).pipeline.monitor.state()


def own_monitor(device: Device) -> object:
    """The state of a monitor that has not seen anything yet."""
    bundle = device.slots.active()
    assert bundle is not None
    return build_monitor(LearnedState.from_parts(bundle.meta, bundle.arrays).calibration).state()


@pytest.fixture
def lived(home: DeviceFolder, caplog: pytest.LogCaptureFixture) -> DeviceFolder:
    caplog.set_level(logging.CRITICAL)
    home.install()
    for until in (30, 60, 90):
        live(home, until)
    return home


def test_after_some_starts_that_came_to_nothing_the_former_state_is_taken_up(lived: DeviceFolder) -> None:
    former = read_history(folder_of(lived.open()))[-2]
    states = [monitor_of(lived.open()) for _ in range(MOST_FAILURES - 1)]
    assert all(state == states[0] for state in states), "until then the newest state is tried"

    device = lived.open()
    assert monitor_of(device) != states[0]
    newest = read_history(folder_of(device))[-1]
    assert newest.rolled_back_to == former.snapshot_id
    assert device.first_index == newest.next_index == 90, "no frame is seen twice"


def test_after_twice_as_many_the_bundle_begins_with_its_own_state(lived: DeviceFolder) -> None:
    for _ in range(2 * MOST_FAILURES + 1):
        device = lived.open()

    assert device.starts.failed_count == 2 * MOST_FAILURES
    assert monitor_of(device) == own_monitor(device)
    assert device.first_index == 90


def test_a_checkpoint_or_an_end_in_order_starts_the_count_anew(lived: DeviceFolder) -> None:
    for _ in range(MOST_FAILURES - 1):
        lived.open()
    device = lived.open()
    assert device.starts.failed_count == MOST_FAILURES - 1
    show(device, frames_of(IMAGES[:120], device, first_index=device.first_index))
    assert lived.open().starts.failed_count == 0

    lived.close()
    assert Service(lived.settings(), RecentWarnings()).run(until_idle=True) == 0
    assert lived.open().starts.failed_count == 0


def test_power_that_fails_after_some_predictions_is_no_fault_of_the_state(lived: DeviceFolder) -> None:
    newest = read_history(folder_of(lived.open()))[-1]
    for _ in range(2 * MOST_FAILURES):
        device = lived.open()
        until = device.first_index + HEALTHY_PREDICTIONS
        show(device, frames_of(IMAGES[:until], device, first_index=device.first_index))
        device.disk.shutdown()
    assert lived.open().starts.failed_count == 0
    assert read_history(folder_of(lived.open()))[-1] == newest


def test_without_an_older_snapshot_the_bundles_own_state_is_taken_up_at_once(lived: DeviceFolder) -> None:
    folder = folder_of(lived.open())
    for facts in read_history(folder)[:-1]:
        (folder.path / f"{facts.snapshot_id}.bin").unlink()
    for _ in range(MOST_FAILURES):
        device = lived.open()  # with the one above, the last of these finds so many before it

    assert monitor_of(device) == own_monitor(device)


def test_a_source_that_is_not_there_is_no_fault_of_the_models(lived: DeviceFolder) -> None:
    lived.tables["source"] = {"kind": "recording", "path": "nowhere.npz"}
    for _ in range(2 * MOST_FAILURES):
        with pytest.raises(TinyLcmError, match=r"nowhere\.npz"):
            lived.open()
    lived.tables["source"] = {"path": "inbox", "at_end": "stop"}

    device = lived.open()
    assert device.starts.failed_count == 0
    assert read_history(folder_of(device))[-1].rolled_back_to is None

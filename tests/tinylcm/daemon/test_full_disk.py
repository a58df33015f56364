"""A disk without room, for real: a small tmpfs. Frames go on, the order of eviction makes room, nothing breaks."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import Need
from tests.tinylcm.builders import HandClock, package
from tests.tinylcm.daemon.conftest import DeviceFolder, frames_of, show
from tests.tinylcm.daemon.test_checkpoints import (
    Evidence,
    evidence_in,
    predicted,
    run_to_the_end,
    undisturbed,
)
from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.errors import StorageFullError
from tinylcm.ports import Priority

__all__ = ["undisturbed"]


@pytest.fixture
def small_disk(tmp_path: Path, need: Need) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "state"
    folder.mkdir()
    mount = shutil.which("mount")
    is_mounted = mount is not None and os.geteuid() == 0
    if is_mounted:
        asked = subprocess.run(
            [str(mount), "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        )
        is_mounted = asked.returncode == 0
    need("tmpfs", is_mounted, "mounting needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Takes all the room there is."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return path
    raise AssertionError("the disk never filled")


def test_the_least_urgent_make_room_for_what_is_more_urgent(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    outbox = SqliteOutbox(small_disk, max_bytes=1 << 30, max_age_s=1e6, clock=HandClock())
    for number, priority in enumerate([Priority.LOGS, Priority.METRICS, Priority.SAMPLES, Priority.DRIFT]):
        outbox.put([package(number, priority=priority, size_bytes=120_000)])
    filler = fill(small_disk)

    outbox.put([package(4, priority=Priority.DRIFT, size_bytes=60_000)])
    assert waiting(outbox) == [3, 4, 2, 1]
    outbox.put([package(5, priority=Priority.SAMPLES, size_bytes=100_000)])
    assert waiting(outbox) == [3, 4, 2, 5], "logs went first, then metrics"
    with pytest.raises(StorageFullError):
        outbox.put([package(6, priority=Priority.METRICS, size_bytes=120_000)])
    assert waiting(outbox) == [3, 4, 2, 5], "what is less urgent pushes nothing out"

    filler.unlink()
    outbox.put([package(6, priority=Priority.METRICS, size_bytes=100_000)])
    assert waiting(outbox) == [3, 4, 2, 5, 6]
    outbox.close()


def waiting(outbox: SqliteOutbox) -> list[int]:
    numbers: list[int] = []
    skipping: list[str] = []
    while (found := outbox.next_package(skipping=skipping)) is not None:
        skipping.append(found.package_id)
        if outbox.content_path(found.package_id).exists():
            numbers.append(int(found.package_id[-12:]))
    return numbers


def test_a_device_on_a_full_disk_goes_on_and_loses_no_evidence_when_it_has_room_again(
    home: DeviceFolder,
    small_disk: Path,
    drifting_images: NDArray[np.uint8],
    undisturbed: Evidence,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    home.install()
    device = home.open()
    show(device, frames_of(drifting_images[:40], device))
    filler = fill(small_disk)
    show(device, frames_of(drifting_images, device, first_index=40))
    assert device.vitals.counters.predictions == len(drifting_images), "every frame was predicted"
    assert evidence_in(device.outbox) == Evidence((), (), 0)

    filler.unlink()
    device.inbox.close()
    device.inference.run()
    assert evidence_in(device.outbox) == undisturbed
    lost_count = device.vitals.counters.lost_lines
    assert len(set(predicted(home))) >= len(drifting_images) - lost_count


def test_a_device_that_cannot_start_for_want_of_room_says_so_and_starts_when_there_is_some(
    home: DeviceFolder, small_disk: Path, drifting_images: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    home.install()
    run_to_the_end(home, drifting_images[:40])
    home.close()
    filler = fill(small_disk)
    with pytest.raises(StorageFullError, match="cannot be opened"):
        home.open()

    filler.unlink()
    assert home.open().first_index == 40

"""A device whose clock stands in 1970, jumps ten years ahead and falls back again works as any other."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import cycle
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tinylcm.builders import START
from tests.tinylcm.daemon.conftest import DeviceFolder, frames_of, show
from tests.tinylcm.daemon.test_checkpoints import Evidence, engine_of, evidence_in, predicted, undisturbed
from tinylcm.adapters.clock import SystemClock
from tinylcm.daemon.build import Device, build_device
from tinylcm.daemon.history import read_history

__all__ = ["undisturbed"]

MOMENTS = (datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC), START, START + timedelta(days=3653), START)


class JumpingClock(SystemClock):
    """Every look at the wall clock finds it somewhere else."""

    def __init__(self) -> None:
        super().__init__()
        self._moments = cycle(MOMENTS)

    def now(self) -> datetime:
        return next(self._moments)


def open_jumping(home: DeviceFolder) -> Device:
    home.close()
    return home.keep(
        build_device(
            home.settings(), stopping=threading.Event(), wake=threading.Event(), clock=JumpingClock()
        )
    )


def test_nothing_the_device_does_depends_on_the_clock(
    home: DeviceFolder, drifting_images: NDArray[np.uint8], undisturbed: Evidence
) -> None:
    home.install()
    for stop in (50, len(drifting_images)):
        device = open_jumping(home)
        show(device, frames_of(drifting_images[:stop], device, first_index=device.first_index))
        device.inbox.close()
        device.inference.run()
        device.outbox.sweep()

    assert evidence_in(device.outbox) == undisturbed, "ten years pass in a moment, and nothing is too old"
    assert predicted(home) == list(range(len(drifting_images)))
    history = read_history(engine_of(device).snapshots)
    assert [facts.checkpoint for facts in history] == sorted(facts.checkpoint or 0 for facts in history)
    assert history[-1].next_index == len(drifting_images)
    assert open_jumping(home).first_index == len(drifting_images)


@pytest.mark.parametrize("jump_s", [-60 * 365 * 86_400, 10 * 365 * 86_400])
def test_ids_stay_unique_and_ascend_through_a_jump(jump_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids of one start ascend; those of two starts differ, since half of each is chance."""
    clock, true_ns = SystemClock(), time.time_ns
    ids = [clock.new_id() for _ in range(500)]
    monkeypatch.setattr(time, "time_ns", lambda: max(true_ns() + jump_s * 10**9, 0))
    ids += [clock.new_id() for _ in range(500)]
    monkeypatch.undo()
    ids += [clock.new_id() for _ in range(500)]

    assert ids == sorted(set(ids))
    assert {UUID(text).version for text in ids} == {7}
    assert not set(ids) & {SystemClock().new_id() for _ in range(500)}

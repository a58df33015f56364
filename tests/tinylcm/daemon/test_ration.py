"""Samples sent in a day are bounded by count and bytes, whatever the clock shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.tinylcm.builders import START, HandClock, sample
from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.core.adapt.quarantine import sample_size_bytes
from tinylcm.daemon.ration import SampleRation

HOUR_S = 3600.0


class Device:
    """An outbox and its ration, through restarts."""

    def __init__(self, folder: Path, **bounds: int) -> None:
        self.clock = HandClock()
        self._folder = folder
        self._bounds = {"samples_per_day": 10, "bytes_per_day": 1 << 30} | bounds
        self.outbox = self._open()
        self.ration = self._ration()

    def restart(self) -> None:
        self.outbox.sweep()
        self.outbox.close()
        self.clock.seconds = 5.0
        self.outbox = self._open()
        self.ration = self._ration()

    def send(self, count: int) -> list[int]:
        samples = [sample(number) for number in range(count)]
        chosen = self.ration.choose(samples)
        self.ration.spend(chosen, count)
        return [one.observation.source_index for one in chosen]

    def _open(self) -> SqliteOutbox:
        return SqliteOutbox(self._folder, max_bytes=1 << 20, max_age_s=1e6, clock=self.clock)

    def _ration(self) -> SampleRation:
        return SampleRation(self.outbox, self.clock, **self._bounds)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    built = Device(tmp_path)
    yield built
    built.outbox.close()


def test_a_day_has_so_many_samples_and_the_next_one_as_many(device: Device) -> None:
    assert device.send(6) == [0, 1, 2, 3, 4, 5]
    assert device.send(8) == [0, 2, 4, 6], "spread over what there is"
    assert device.send(3) == []
    assert device.ration.withheld_count == 7

    device.clock.forward(24 * HOUR_S)
    assert len(device.send(12)) == 10


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    device = Device(tmp_path, bytes_per_day=3 * sample_size_bytes(sample()))
    assert len(device.send(10)) == 3
    assert device.send(10) == []
    device.outbox.close()


def test_a_restart_forgets_nothing(device: Device) -> None:
    device.send(10)
    device.restart()
    assert device.send(5) == []


@pytest.mark.parametrize("jump", [timedelta(days=-20_000), timedelta(days=3650), timedelta(days=-1)])
def test_a_clock_that_jumps_opens_no_tap(device: Device, jump: timedelta) -> None:
    device.send(10)
    for _ in range(20):
        device.clock.moment = START + jump
        assert device.send(5) == []
        device.clock.moment = START
        assert device.send(5) == []
        device.clock.forward(60)


def test_a_clock_that_stands_in_1970_closes_none_for_ever(device: Device) -> None:
    device.clock.moment = START.replace(year=1970)
    device.send(10)
    stands = device.clock.moment
    for _ in range(24):
        assert device.send(1) == []
        device.clock.forward(HOUR_S)
        device.clock.moment = stands
    assert len(device.send(10)) == 10


def test_a_device_that_runs_an_hour_a_day_has_a_ration_each_day(device: Device) -> None:
    for _ in range(5):
        assert len(device.send(12)) == 10
        device.clock.forward(HOUR_S)
        device.clock.moment += timedelta(hours=23)
        device.restart()

"""Clocks of devices, right and wrong."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random

from tinysphere.simulator.script.chance import draw
from tinysphere.simulator.script.scenario import Clock

EARLIEST = datetime(
    1970, 1, 1, second=1, tzinfo=UTC
)  # the contract takes the first second itself for "no time"
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)


class ClockFault(StrEnum):
    """What is wrong with a clock."""

    NONE = "none"
    EPOCH = "epoch"  # without a battery: every boot starts in 1970
    AHEAD = "ahead"
    BACKWARDS = "backwards"  # jumps back once


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClock:
    """Tells a device's time from simulated seconds since the fleet's start, ``start``."""

    start: datetime
    fault: ClockFault = ClockFault.NONE
    error_s: float = 0.0
    jump_at_s: float = 0.0

    def moment(self, at_s: float, *, boot_s: float) -> datetime:
        """What the clock of a device that booted at ``boot_s`` shows at ``at_s``."""
        if self.fault is ClockFault.EPOCH:
            return EARLIEST + timedelta(seconds=at_s - boot_s)
        true = self.start + timedelta(seconds=at_s)
        if self.fault is ClockFault.AHEAD:
            return min(true, _LATEST - timedelta(seconds=self.error_s)) + timedelta(seconds=self.error_s)
        if self.fault is ClockFault.BACKWARDS and at_s >= self.jump_at_s:
            return max(true - timedelta(seconds=self.error_s), EARLIEST)
        return true


def draw_clock(generator: Random, clock: Clock, start: datetime) -> DeviceClock:
    """The clock of one device. Of several faults a device has one."""
    chosen, error_s = generator.random(), 0.0
    ahead_s, backwards_s = draw(generator, clock.ahead_s), draw(generator, clock.backwards_s)
    jump_at_s = draw(generator, clock.backwards_at_s)
    fault = ClockFault.NONE
    for share, kind, error in (
        (clock.epoch_share, ClockFault.EPOCH, 0.0),
        (clock.ahead_share, ClockFault.AHEAD, ahead_s),
        (clock.backwards_share, ClockFault.BACKWARDS, backwards_s),
    ):
        if chosen < share:
            fault, error_s = kind, error
            break
        chosen -= share
    return DeviceClock(start=start, fault=fault, error_s=error_s, jump_at_s=jump_at_s)

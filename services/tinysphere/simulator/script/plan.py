"""What happens to one device, and when: written down before it starts, from the seed and the scenario alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from random import Random

from tinysphere.simulator.script.chance import Range, chance, draw
from tinysphere.simulator.script.clocks import DeviceClock, draw_clock
from tinysphere.simulator.script.scenario import Scenario

MAX_MOMENTS = 100_000  # of one device; a longer run needs longer times between


class Happening(StrEnum):
    """What a moment brings. Of several at one time the first of this list comes first."""

    POWER_LOST = "power_lost"
    POWER_BACK = "power_back"
    DRIFT_BEGINS = "drift_begins"
    DRIFT_ENDS = "drift_ends"
    REPORT = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happens ``at_s`` simulated seconds after the fleet's start."""

    at_s: float
    happening: Happening


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One device's life.

    Attributes:
        outages: Begin and end of each time without a link, simulated seconds.
        shift_sigma: Of its drift, should it meet one.
    """

    seed: int
    index: int
    device_id: str
    join_s: float
    clock: DeviceClock
    moments: tuple[Moment, ...]
    outages: tuple[Range, ...]
    shift_sigma: float

    def is_offline(self, at_s: float) -> bool:
        """Whether the device is without a link."""
        return self.online_from_s(at_s) > at_s

    def online_from_s(self, at_s: float) -> float:
        """When the device has a link again; ``at_s`` if it has one."""
        return next((end_s for begin_s, end_s in self.outages if begin_s <= at_s < end_s), at_s)


def make_plan(scenario: Scenario, *, seed: int, index: int, duration_s: float, start: datetime) -> Plan:
    """Draws the life of device number ``index``; it ends ``duration_s`` after the fleet's start."""
    device_id = f"sim-{seed}-{index:05d}"

    def dice(name: str) -> Random:
        return chance(seed, index, name)

    join_s = min(draw(dice("join"), scenario.traffic.join_s), duration_s)
    spells = list(
        _spells(dice("power"), scenario.power.cut_every_s, scenario.power.down_s, join_s, duration_s)
    )
    moments = [
        *(Moment(at_s=begin_s, happening=Happening.POWER_LOST) for begin_s, _ in spells),
        *(Moment(at_s=end_s, happening=Happening.POWER_BACK) for _, end_s in spells),
        *_drift(dice("drift"), scenario, join_s, duration_s),
        *_reports(dice("reports"), scenario, join_s, duration_s),
    ]
    order = list(Happening)
    link = scenario.link
    return Plan(
        seed=seed,
        index=index,
        device_id=device_id,
        join_s=join_s,
        clock=draw_clock(dice("clock"), scenario.clock, start),
        moments=tuple(sorted(moments, key=lambda moment: (moment.at_s, order.index(moment.happening)))),
        outages=tuple(_spells(dice("outages"), link.offline_every_s, link.offline_s, 0.0, duration_s)),
        shift_sigma=draw(dice("shift"), scenario.drift.shift_sigma),
    )


def _spells(dice: Random, every_s: Range, last_s: Range, from_s: float, until_s: float) -> Iterator[Range]:
    """Times of something bad: begin and end; all of them end with the run, at the latest."""
    if not every_s[1]:
        return
    at_s = from_s
    for _ in range(MAX_MOMENTS):
        begin_s = at_s + draw(dice, every_s)
        at_s = begin_s + draw(dice, last_s)
        if begin_s >= until_s:
            return
        yield begin_s, min(at_s, until_s)


def _drift(dice: Random, scenario: Scenario, join_s: float, duration_s: float) -> Iterator[Moment]:
    drift = scenario.drift
    begin_s, last_s = max(join_s, draw(dice, drift.begin_s)), draw(dice, drift.last_s)
    if dice.random() >= drift.device_share:
        return
    for at_s, happening in ((begin_s, Happening.DRIFT_BEGINS), (begin_s + last_s, Happening.DRIFT_ENDS)):
        if at_s < duration_s:
            yield Moment(at_s=at_s, happening=happening)


def _reports(dice: Random, scenario: Scenario, join_s: float, duration_s: float) -> Iterator[Moment]:
    at_s = join_s
    for _ in range(MAX_MOMENTS):
        if at_s > duration_s:
            return
        yield Moment(at_s=at_s, happening=Happening.REPORT)
        at_s += draw(dice, scenario.traffic.package_every_s)

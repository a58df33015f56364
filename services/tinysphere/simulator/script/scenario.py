"""What a fleet goes through: sections of numbers, each with a default and its limits.

Times are simulated seconds since the fleet's start; a range is two numbers, the lower one first, from which each device
draws its own. `scenario_file` reads the same fields from TOML.
"""

from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from tinysphere.simulator.script.chance import Range

YEAR_S = 365.25 * 24 * 3600
_LONG_S = 100 * YEAR_S
_MIB = 1 << 20


class Limits(NamedTuple):
    """Of a number, or of both ends of a range."""

    minimum: float
    maximum: float


Share = Annotated[float, Limits(0, 1)]
Seconds = Annotated[float, Limits(0, _LONG_S)]
SecondsRange = Annotated[Range, Limits(0, _LONG_S)]
Interval = Annotated[float, Limits(0.01, _LONG_S)]
IntervalRange = Annotated[Range, Limits(0.01, _LONG_S)]
Count = Annotated[int, Limits(0, 10_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What every device sends.

    Attributes:
        join_s: When a device starts.
        heartbeat_every_s: 0: as the server says.
        package_every_s: Between packages of metrics and logs; the first is made when the device starts.
        metric_count: Points in such a package.
        log_count: Lines in such a package.
        state_bytes: Random bytes in such a package, as a snapshot of the model's state; (0, 0) for none.
        predictions_per_s: Inputs classified.
    """

    join_s: SecondsRange = (0.0, 10.0)
    heartbeat_every_s: Seconds = 0.0
    package_every_s: IntervalRange = (60.0, 120.0)
    metric_count: Count = 20
    log_count: Count = 10
    state_bytes: Annotated[Range, Limits(0, 64 * _MIB)] = (0.0, 0.0)
    predictions_per_s: Annotated[float, Limits(0, 1e6)] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What changes in what devices see.

    Attributes:
        device_share: Share of the devices that meet a drift.
        begin_s: When it begins.
        last_s: How long it lasts; one that outlasts the run has no recovery.
        shift_sigma: How far all classes move, in standard deviations of a class.
        novel_share: Share of its samples that belong to classes no model knows.
        sample_count: Samples kept as evidence, in the package of the event and in each one after it.
        image_bytes: Size of a sample's picture; 0 for features only.
        urgent_share: Share of the events that are reported directly before their package.
    """

    device_share: Share = 0.3
    begin_s: SecondsRange = (60.0, 240.0)
    last_s: SecondsRange = (60.0, 240.0)
    shift_sigma: Annotated[Range, Limits(0, 100)] = (1.0, 5.0)
    novel_share: Share = 0.5
    sample_count: Annotated[int, Limits(0, 200)] = 10
    image_bytes: Annotated[int, Limits(0, _MIB)] = 0
    urgent_share: Share = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What is wrong with the devices' links. Shares are of the attempts to send a package or fetch a model.

    Attributes:
        rate_bytes_per_s: A link's rate; 0 for no limit.
        cut_share: Attempts that are cut.
        cut_after_bytes: How many bytes pass before.
        stall_share: Attempts on which nothing moves for a while, without a word.
        stall_s: How long.
        lost_reply_share: Requests that arrive while their reply does not.
        refused_share: Attempts to connect that are turned away.
        offline_every_s: Time between outages; (0, 0) for none.
        offline_s: How long an outage lasts.
    """

    rate_bytes_per_s: Annotated[int, Limits(0, 1 << 40)] = 0
    cut_share: Share = 0.0
    cut_after_bytes: Annotated[Range, Limits(0, 1 << 40)] = (1_000.0, 100_000.0)
    stall_share: Share = 0.0
    stall_s: SecondsRange = (1.0, 10.0)
    lost_reply_share: Share = 0.0
    refused_share: Share = 0.0
    offline_every_s: SecondsRange = (0.0, 0.0)
    offline_s: SecondsRange = (60.0, 3_600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What is wrong with the devices' clocks.

    Attributes:
        epoch_share: Share of the devices that start every boot in 1970.
        ahead_share: Share of the devices whose clock is ahead.
        ahead_s: How far.
        backwards_share: Share of the devices whose clock jumps back once.
        backwards_at_s: When.
        backwards_s: How far.
    """

    epoch_share: Share = 0.0
    ahead_share: Share = 0.0
    ahead_s: SecondsRange = (10 * YEAR_S, 10 * YEAR_S)
    backwards_share: Share = 0.0
    backwards_at_s: SecondsRange = (60.0, 300.0)
    backwards_s: SecondsRange = (1.0, 86_400.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """When devices lose power, and with it what was not durable.

    Attributes:
        cut_every_s: Time between cuts; (0, 0) for none.
        down_s: How long a device stays off.
        checkpoint_every_s: Receipts and applied feedback are durable from the next checkpoint on.
        asking_share: Share of the devices that ask after a start, before they send packages again, which of them the
            server holds.
    """

    cut_every_s: SecondsRange = (0.0, 0.0)
    down_s: SecondsRange = (5.0, 60.0)
    checkpoint_every_s: Interval = 30.0
    asking_share: Share = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A reviewer who judges what the fleet sends.

    Attributes:
        judged_share: Share of the samples that are judged; 0 for no reviewer.
        every_s: How often the reviewer looks.
        unusable_share: Of the judged samples those nobody can learn from.
    """

    judged_share: Share = 0.0
    every_s: Interval = 10.0
    unusable_share: Share = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Updates:
    """How devices take new models.

    Attributes:
        check_every_s: How often a device asks without being told; 0: only when told.
        download: Whether bytes are fetched and their digest checked.
        trial_s: How long a new model is on trial.
        failure_share: Share of the trials after which a device returns to the model before.
    """

    check_every_s: Seconds = 300.0
    download: bool = True
    trial_s: Seconds = 30.0
    failure_share: Share = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All of it."""

    traffic: Traffic = field(default_factory=Traffic)
    drift: Drift = field(default_factory=Drift)
    link: Link = field(default_factory=Link)
    clock: Clock = field(default_factory=Clock)
    power: Power = field(default_factory=Power)
    review: Review = field(default_factory=Review)
    updates: Updates = field(default_factory=Updates)

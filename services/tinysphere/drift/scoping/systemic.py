"""Whether as many devices see the same shift as chance does not explain. Pure.

A drift is systemic when three things hold of the devices with the same model version, within `WINDOW` of the alarm:

- at least `LEAST_DEVICES` see the same shift,
- they are at least `LEAST_SHARE` of all,
- so many alarms would come by chance with a probability below `SIGNIFICANCE`: the upper tail of the binomial
  distribution of the other devices, each with the model's own rate of such alarms in a window of that length.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from tinysphere.domain.drift import DriftCause, DriftScope

WINDOW = timedelta(hours=24)
HISTORY = timedelta(days=30)
LEAST_DEVICES = 3
LEAST_SHARE = 0.2
SIGNIFICANCE = 0.01
PRIOR_ALARMS = 1
PRIOR_WINDOWS = 100
"""A model without a history is taken to have raised `PRIOR_ALARMS` in so many windows of one device."""

_SHIFTS = {
    DriftCause.NOVELTY: "samples unlike every known class",
    DriftCause.COVARIATE_SHIFT: "all classes moved",
    DriftCause.PRIOR_SHIFT: "another mix of classes",
    None: "a shift without a stated cause",
}
_NEGLIGIBLE = 1e-18  # of the sum: further terms of a tail do not count


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The figures that a scope is decided by.

    Attributes:
        model: Name and version, for people.
        affected_count: Devices that see the same shift, the one with the event among them.
        device_count: Devices with that model version.
        alarm_rate: Probability that a device raises such an alarm by chance in a window.
    """

    model: str
    cause: DriftCause | None
    affected_count: int
    device_count: int
    alarm_rate: float


def decide(reach: Reach) -> tuple[DriftScope, str]:
    """Returns the scope, and one sentence with the figures behind it."""
    others, alike = reach.device_count - 1, reach.affected_count - 1
    chance = binomial_tail(alike, others, reach.alarm_rate)
    share = reach.affected_count / reach.device_count
    systemic = reach.affected_count >= LEAST_DEVICES and share >= LEAST_SHARE and chance < SIGNIFICANCE
    scope = DriftScope.SYSTEMIC if systemic else DriftScope.LOCAL
    return scope, _sentence(reach, share, chance, systemic=systemic)


def alarm_rate(alarm_count: int, device_count: int, history: timedelta) -> float:
    """Probability that a device raises an alarm in a window, from those of the past and a prior."""
    windows = device_count * (history / (2 * WINDOW))
    return min((alarm_count + PRIOR_ALARMS) / (windows + PRIOR_WINDOWS), 0.5)


@lru_cache(maxsize=1024)
def binomial_tail(least: int, count: int, probability: float) -> float:
    """Probability of at least `least` successes in `count` trials, summed exactly.

    >>> round(binomial_tail(2, 3, 0.5), 6)
    0.5
    """
    if least <= 0:
        return 1.0
    total = 0.0
    for successes in range(least, count + 1):
        term = math.exp(_log_mass(successes, count, probability))
        total += term
        if successes > count * probability and term < _NEGLIGIBLE * total:
            break
    return min(total, 1.0)


def _log_mass(successes: int, count: int, probability: float) -> float:
    ways = math.lgamma(count + 1) - math.lgamma(successes + 1) - math.lgamma(count - successes + 1)
    return ways + successes * math.log(probability) + (count - successes) * math.log1p(-probability)


def _sentence(reach: Reach, share: float, chance: float, *, systemic: bool) -> str:
    seen = f"{reach.affected_count} of {reach.device_count} devices with {reach.model} ({share:.0%})"
    hours = int(WINDOW.total_seconds() // 3600)
    within = f"saw the same shift ({_SHIFTS[reach.cause]}) within {hours} hours"
    odds = f"by chance p = {chance:.2g} at {reach.alarm_rate:.2%} alarms per device"
    if systemic:
        return f"{seen} {within}; {odds}."
    needs = f"systemic needs {LEAST_DEVICES} devices, {LEAST_SHARE:.0%} and p < {SIGNIFICANCE}"
    return f"{seen} {within}; {odds}; {needs}."

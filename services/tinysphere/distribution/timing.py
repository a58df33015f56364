"""When a device may be offered a rollout: in a window of the schedule, and at its own moment of the jitter. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tinysphere.distribution.waves import stable_share
from tinysphere.domain.rollout_plans import ScheduleWindow
from tinysphere.domain.rollouts import Rollout

_DAYS = 8  # a window opens at least once in so many days


def wait_before_offer(rollout: Rollout, wave_index: int, device_id: str, *, now: datetime) -> timedelta:
    """How long a device of an open wave has to wait; zero when it may be offered the rollout now."""
    moment = max(now, _moment_of(rollout, wave_index, device_id))
    return next_open(rollout.strategy.windows, moment) - now


def next_open(windows: Sequence[ScheduleWindow], moment: datetime) -> datetime:
    """The first moment from ``moment`` on that lies in a window; ``moment`` itself where there are none."""
    if not windows:
        return moment
    return min(_next_open(window, moment) for window in windows)


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        ValueError: There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # what a strange name meets in the folders of zones
        raise ValueError(f"no time zone {name}") from error


def _moment_of(rollout: Rollout, wave_index: int, device_id: str) -> datetime:
    """A device's own moment: always the same, spread evenly over the jitter."""
    opened = rollout.progress[wave_index].open_time if rollout.progress else None
    if opened is None:
        return rollout.create_time
    return opened + rollout.strategy.jitter * stable_share(device_id, rollout.rollout_id, "jitter")


def _next_open(window: ScheduleWindow, moment: datetime) -> datetime:
    local = moment.astimezone(zone(window.time_zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    starts = []
    for days in range(-1, _DAYS):
        start = midnight + timedelta(days=days, minutes=window.start_minute)
        if window.weekdays and (midnight + timedelta(days=days)).isoweekday() not in window.weekdays:
            continue
        opens = start.replace(tzinfo=local.tzinfo).astimezone(UTC)
        if opens <= moment < opens + timedelta(minutes=window.duration_minutes):
            return moment
        if opens > moment:
            starts.append(opens)
    return min(starts)

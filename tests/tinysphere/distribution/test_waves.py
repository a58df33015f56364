"""Which wave a device belongs to, when a wave has succeeded or failed, and when devices may be offered anything."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tinysphere.distribution.builders import START, deployment, digest, rollout
from tinysphere.distribution.devices import TargetDevice
from tinysphere.distribution.timing import next_open, wait_before_offer, zone
from tinysphere.distribution.waves import HEARTBEAT_GRACE, Step, added, count, failure, judge, lack, wave_of
from tinysphere.domain.rollout_plans import (
    LabelCondition,
    LabelOperator,
    OfflinePolicy,
    ScheduleWindow,
    Strategy,
    Wave,
)
from tinysphere.domain.rollouts import DeploymentState, Rollout, WaveProgress

State = DeploymentState
LAB = LabelCondition(key="site", operator=LabelOperator.IN, values=("lab",))
WAVES = (
    Wave(name="lab", percent=0, label_conditions=(LAB,)),
    Wave(name="tenth", percent=10, failure_share=0.1, minimum_device_count=10, soak=timedelta(hours=1)),
    Wave(name="rest", percent=100, success_share=0.9, failure_share=0.2),
)
ROLLOUT = replace(rollout(1, start_revision=1), strategy=Strategy(waves=WAVES))


def device(number: int = 1, **labels: str) -> TargetDevice:
    return TargetDevice(device_id=f"camera-{number}", labels=labels, last_contact_time=START)


def reached(committed: int = 0, failed: int = 0, of: int = 100, **more: int) -> WaveProgress:
    return WaveProgress(device_count=of, committed_count=committed, failed_count=failed, **more)


# ---------------------------------------------------------------- membership


def test_shares_are_kept_and_devices_stay_where_they_are() -> None:
    found = [wave_of(ROLLOUT, device(number)) for number in range(5_000)]
    assert found == [wave_of(ROLLOUT, device(number)) for number in range(5_000)]
    counts = Counter(found)
    assert counts[0] == 0
    assert 400 < counts[1] < 600  # six standard deviations around a tenth are 127


def test_another_rollout_begins_with_other_devices() -> None:
    other = replace(ROLLOUT, rollout_id=rollout(2).rollout_id)
    first, second = (
        {number for number in range(2_000) if wave_of(one, device(number)) == 1} for one in (ROLLOUT, other)
    )
    assert len(first & second) < 60


def test_named_devices_belong_to_their_wave() -> None:
    assert {wave_of(ROLLOUT, device(number, site="lab")) for number in range(50)} == {0}


# ---------------------------------------------------------------- counting


def test_devices_are_counted_by_what_became_of_them() -> None:
    one_wave = replace(ROLLOUT, strategy=Strategy(offline_policy=OfflinePolicy.SKIP))
    committed = deployment(one_wave, State.COMMITTED)
    late = replace(device(), last_contact_time=START + HEARTBEAT_GRACE + timedelta(seconds=1))
    runs_another = replace(late, running_bundle_sha256=digest("other"))
    runs_it = replace(late, running_bundle_sha256=one_wave.model.bundle_sha256)
    silent = replace(device(), is_offline=True)
    (figures,) = count(
        one_wave,
        [
            (runs_it, committed),
            (replace(runs_another, last_contact_time=START), committed),  # its newest heartbeat may be older
            (runs_another, committed),
            (device(), deployment(one_wave, State.FAILED)),
            (device(), deployment(one_wave, State.REJECTED)),
            (device(), deployment(one_wave, State.TRIAL)),
            (silent, None),
            (silent, deployment(one_wave, State.OFFERED)),
            (device(), None),
            (device(), deployment(one_wave, State.CANCELLED)),
        ],
    )
    assert figures == WaveProgress(
        device_count=10, committed_count=2, failed_count=2, underway_count=3, skipped_count=1
    )


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from([None, *State]), max_size=30), st.integers(0, 30))
def test_pages_add_up(states: list[State | None], cut: int) -> None:
    pairs = [
        (device(number), deployment(ROLLOUT, state) if state else None) for number, state in enumerate(states)
    ]
    assert added(count(ROLLOUT, pairs[:cut]), count(ROLLOUT, pairs[cut:])) == count(ROLLOUT, pairs)


# ---------------------------------------------------------------- judging


@pytest.mark.parametrize(
    ("progress", "fails"),
    [
        (reached(failed=1), False),  # one of ten may
        (reached(failed=2), True),
        (reached(committed=28, failed=2), False),
        (reached(committed=18, failed=2), False),
        (reached(committed=17, failed=2), True),
        (reached(failed=5, excused_count=4), False),
        (reached(failed=6, excused_count=4), True),
    ],
)
def test_a_wave_fails_by_its_share_of_the_decided(progress: WaveProgress, fails: bool) -> None:
    assert (failure(WAVES[1], progress) is not None) is fails


@pytest.mark.parametrize(
    ("wave", "progress", "succeeds"),
    [
        (WAVES[1], reached(committed=99), False),
        (WAVES[1], reached(committed=100), True),
        (WAVES[1], reached(committed=5, of=5), True),
        (WAVES[1], reached(committed=60, skipped_count=40), True),
        (WAVES[2], reached(committed=89), False),
        (WAVES[2], reached(committed=90), True),
        (replace(WAVES[2], success_share=0.1, minimum_device_count=20), reached(committed=15), False),
        (
            replace(WAVES[2], success_share=0.1, minimum_device_count=20),
            reached(committed=15, failed=5),
            True,
        ),
        (WAVES[1], reached(of=0), True),
    ],
)
def test_a_wave_succeeds_when_enough_run_it(wave: Wave, progress: WaveProgress, succeeds: bool) -> None:
    assert (lack(wave, progress) is None) is succeeds


def test_a_successful_wave_soaks_before_the_next_opens() -> None:
    strategy, done = ROLLOUT.strategy, reached(committed=10, of=10)
    progress = [reached(of=0), done, reached()]

    def step(progress: list[WaveProgress], now: datetime) -> Step:
        return judge(strategy, progress, 1, now=now)[0]

    assert step(progress, START) is Step.SOAK
    soaking = [progress[0], replace(done, success_time=START), progress[2]]
    assert step(soaking, START + timedelta(minutes=59)) is Step.WAIT
    assert step(soaking, START + timedelta(minutes=60)) is Step.ADVANCE
    lost = [progress[0], replace(done, success_time=START, committed_count=9, underway_count=1), progress[2]]
    assert step(lost, START + timedelta(minutes=60)) is Step.REOPEN
    failing = [progress[0], replace(done, success_time=START, committed_count=8, failed_count=2), progress[2]]
    assert step(failing, START + timedelta(minutes=60)) is Step.FAIL


def test_an_earlier_wave_that_fails_or_falls_back_holds_the_later_one() -> None:
    strategy = ROLLOUT.strategy
    good = [reached(committed=1, of=1), reached(committed=10, of=10), reached(committed=100)]
    assert judge(strategy, good, 2, now=START)[0] is Step.SOAK
    fallen = [good[0], reached(committed=9, of=10), good[2]]
    assert judge(strategy, fallen, 2, now=START)[:2] == (Step.WAIT, 1)
    failed = [reached(failed=1, of=1), *good[1:]]
    assert judge(strategy, failed, 2, now=START)[:2] == (Step.FAIL, 0)


def test_closed_waves_are_not_judged() -> None:
    figures = [reached(of=2), reached(failed=9), reached(failed=9)]
    assert judge(ROLLOUT.strategy, figures, 0, now=START)[:2] == (Step.WAIT, 0)


# ---------------------------------------------------------------- timing

NIGHT = ScheduleWindow(weekdays=(), start_minute=23 * 60, duration_minutes=180, time_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        (datetime(2026, 11, 2, 12, tzinfo=UTC), datetime(2026, 11, 2, 22, tzinfo=UTC)),
        (datetime(2026, 11, 2, 22, tzinfo=UTC), datetime(2026, 11, 2, 22, tzinfo=UTC)),
        (datetime(2026, 11, 3, 0, 59, tzinfo=UTC), datetime(2026, 11, 3, 0, 59, tzinfo=UTC)),
        (datetime(2026, 11, 3, 1, tzinfo=UTC), datetime(2026, 11, 3, 22, tzinfo=UTC)),
        (datetime(2026, 7, 2, 12, tzinfo=UTC), datetime(2026, 7, 2, 21, tzinfo=UTC)),  # summer time
    ],
)
def test_a_window_over_midnight_in_its_own_zone(moment: datetime, opens: datetime) -> None:
    assert next_open([NIGHT], moment) == opens


def test_a_window_of_one_day_of_the_week() -> None:
    sunday = replace(NIGHT, weekdays=(7,), time_zone="UTC")
    assert START.isoweekday() == 1
    opens = next_open([sunday], START)
    assert (opens.isoweekday(), opens.hour) == (7, 23)
    assert next_open([sunday, replace(NIGHT, time_zone="UTC")], START).isoweekday() == 1
    assert next_open([], START) == START


@pytest.mark.parametrize("name", ["Nowhere/Land", "../etc/passwd", "", "a\0b", "Europe", "/etc/passwd"])
def test_unknown_time_zones_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        zone(name)


def test_jitter_spreads_the_devices_of_a_wave_over_its_time() -> None:
    opened = (replace(reached(), open_time=START),)
    spread: Rollout = replace(rollout(1), strategy=Strategy(jitter=timedelta(hours=10)), progress=opened)
    waits = [wait_before_offer(spread, 0, f"camera-{number}", now=START) for number in range(1_000)]
    assert timedelta(0) <= min(waits) < timedelta(minutes=10)
    assert timedelta(hours=9, minutes=50) < max(waits) < timedelta(hours=10)
    assert waits == [wait_before_offer(spread, 0, f"camera-{number}", now=START) for number in range(1_000)]
    later = START + timedelta(hours=10)
    assert wait_before_offer(spread, 0, "camera-1", now=later) == timedelta(0)

"""The bandwidth cap, by a clock in the test's hand: nobody sleeps here."""

import random

import pytest

from tinylcm.sync.pace import BURST_S, Pace


class Hand:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_without_a_cap_nothing_waits() -> None:
    pace = Pace(0, monotonic_s=Hand())
    assert [pace.take(1 << 40) for _ in range(3)] == [0.0] * 3
    assert pace.piece_bytes == float("inf")


def test_what_one_second_allows_goes_at_once_and_the_rest_waits() -> None:
    pace = Pace(1000, monotonic_s=Hand())
    assert pace.piece_bytes == 1000
    assert pace.take(1000) == 0.0
    assert pace.take(500) == pytest.approx(0.5)
    assert pace.take(1000) == pytest.approx(1.5)


def test_a_quiet_time_saves_one_burst_and_no_more() -> None:
    clock = Hand()
    pace = Pace(1000, monotonic_s=clock)
    pace.take(1000)
    clock.now_s += 3600
    assert pace.take(1000) == 0.0
    assert pace.take(1000) == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(5))
def test_over_any_time_the_rate_is_kept_and_used(seed: int) -> None:
    clock, rng = Hand(), random.Random(seed)
    rate = rng.uniform(100, 1e6)
    pace, start_s, sent = Pace(rate, monotonic_s=clock), clock.now_s, 0
    for _ in range(2000):
        size = rng.randint(1, max(1, int(pace.piece_bytes)))
        clock.now_s += pace.take(size)
        sent += size
        assert sent <= rate * (clock.now_s - start_s + BURST_S) * (1 + 1e-9)
    assert sent >= rate * (clock.now_s - start_s) * 0.99, "a sender that always has something uses it all"

"""Those turned away come back spread, later the more of them there are, and never very late."""

from itertools import pairwise
from random import Random

from tinysphere.rpc.comeback import LEAST_S, MOST_S, ComebackTimes

MIDDLE = 0.5  # the random number that leaves a time as it is
PER_S = 20.0


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def times(clock: Clock, number: float = MIDDLE) -> ComebackTimes:
    return ComebackTimes(returns_per_s=PER_S, random=lambda: number, monotonic_s=clock)


def test_each_comes_a_little_after_the_one_before() -> None:
    comeback = times(Clock())
    told = [comeback.next_s() for _ in range(100)]
    steps = {round(later - earlier, 9) for earlier, later in pairwise(told)}
    assert steps == {1 / PER_S}
    assert round(told[0], 9) == LEAST_S + 1 / PER_S


def test_the_queue_shrinks_as_time_passes() -> None:
    clock = Clock()
    comeback = times(clock)
    first, *_, last = [comeback.next_s() for _ in range(100)]
    assert last > first
    clock.now_s += 100 / PER_S
    assert round(comeback.next_s(), 9) == round(first, 9)


def test_nobody_waits_longer_than_the_bound_however_many_come() -> None:
    comeback = times(Clock(), number=0.999)
    assert max(comeback.next_s() for _ in range(100_000)) < 1.5 * MOST_S


def test_even_those_at_the_bound_are_spread() -> None:
    clock = Clock()
    comeback = ComebackTimes(returns_per_s=PER_S, random=Random(1).random, monotonic_s=clock)
    told = [comeback.next_s() for _ in range(5_000)][-1_000:]
    counts = [sum(second <= wait_s < second + 1 for wait_s in told) for second in range(30, 90)]
    assert max(counts) < 50  # of 1,000 in 60 s
    assert min(counts) > 0

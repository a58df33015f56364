"""Waits grow with failures, stay random, and end with progress; a watchdog bites the idle only."""

from __future__ import annotations

import random
import threading

from tinylcm.sync.backoff import Backoff, Watchdog


def test_waits_are_spread_below_a_ceiling_that_doubles() -> None:
    waits = []
    for seed in range(400):
        backoff = Backoff(first_s=1.0, most_s=4.0, rng=random.Random(seed))
        waits.append([backoff.next_wait_s() for _ in range(5)])

    for step, ceiling_s in enumerate([1.0, 2.0, 4.0, 4.0, 4.0]):
        column = [row[step] for row in waits]
        assert 0.0 <= min(column) < 0.1 * ceiling_s
        assert 0.9 * ceiling_s < max(column) <= ceiling_s


def test_progress_makes_the_next_wait_short_again() -> None:
    backoff = Backoff(first_s=1.0, most_s=64.0, rng=random.Random(3))
    for _ in range(6):
        backoff.next_wait_s()
    backoff.reset()

    assert backoff.next_wait_s() <= 1.0


def test_what_the_server_asks_for_comes_first() -> None:
    backoff = Backoff(first_s=1.0, most_s=2.0, rng=random.Random(3))

    assert 30.0 <= backoff.next_wait_s(at_least_s=30.0) <= 31.0


def test_a_watchdog_bites_once_nobody_feeds_it() -> None:
    bitten = threading.Event()
    with Watchdog(0.01, bitten.set):
        assert bitten.wait(30)


def test_a_watchdog_that_is_left_never_bites() -> None:
    bites: list[int] = []
    for _ in range(50):
        with Watchdog(30.0, lambda: bites.append(1)) as watchdog:
            watchdog.feed()
    assert bites == []
    assert not [thread for thread in threading.enumerate() if thread.name == "watchdog"]

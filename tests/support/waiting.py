"""Waiting for something to become true, with a bound."""

import time
from collections.abc import Callable
from typing import TypeVar

ValueT = TypeVar("ValueT")


def eventually(look: Callable[[], ValueT], *, timeout_s: float = 30.0, every_s: float = 0.02) -> ValueT:
    """Call `look` until it returns something true, and return that; AssertionError after the time limit."""
    deadline = time.monotonic() + timeout_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not true within {timeout_s} s; last seen: {seen!r}"
        time.sleep(every_s)
    return seen

"""Something done again and again."""

import logging

import pytest

from tests.support.waiting import eventually
from tinysphere.errors import UnavailableError
from tinysphere.jobs.periodic import Periodic


def test_an_action_is_repeated_whatever_happens(caplog: pytest.LogCaptureFixture) -> None:
    errors: list[Exception] = [ZeroDivisionError("a bug"), UnavailableError("DATABASE_UNAVAILABLE", "away")]
    calls: list[int] = []

    def act() -> None:
        calls.append(1)
        if errors:
            raise errors.pop(0)

    caplog.set_level(logging.INFO)
    periodic = Periodic("sweeper", act, interval_s=0.01)
    periodic.start()
    eventually(lambda: len(calls) > 3)
    periodic.stop()
    assert "a bug" in caplog.text
    assert "away" in caplog.text


def test_waking_does_not_wait_for_the_interval() -> None:
    calls: list[int] = []
    periodic = Periodic("sweeper", lambda: calls.append(1), interval_s=3600)
    periodic.start()
    eventually(lambda: len(calls) == 1)
    periodic.wake()
    eventually(lambda: len(calls) == 2)
    periodic.stop()


def test_stopping_what_never_began_is_fine() -> None:
    Periodic("sweeper", lambda: None, interval_s=3600).stop()

"""A worker that starts while the database restarts waits for it."""

import threading

import pytest

from tinysphere.bootstrap import worker
from tinysphere.errors import UnavailableError


def away() -> UnavailableError:
    return UnavailableError("DATABASE_UNAVAILABLE", "away", retry_after_s=5)


def test_it_starts_when_the_database_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "START_PAUSES_S", (0.0, 0.0, 0.0))
    answers = [away(), away(), None]
    calls: list[int] = []

    def start() -> None:
        calls.append(1)
        if (error := answers.pop(0)) is not None:
            raise error

    worker.patiently(start, threading.Event())
    assert len(calls) == 3


def test_it_does_not_wait_for_ever_nor_when_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def start() -> None:
        calls.append(1)
        raise away()

    monkeypatch.setattr(worker, "START_PAUSES_S", (0.0, 0.0))
    with pytest.raises(UnavailableError):
        worker.patiently(start, threading.Event())
    assert len(calls) == 3
    monkeypatch.setattr(worker, "START_PAUSES_S", (60.0, 60.0))
    ended = threading.Event()
    ended.set()
    with pytest.raises(UnavailableError):
        worker.patiently(start, ended)
    assert len(calls) == 5

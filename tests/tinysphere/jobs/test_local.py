"""The engine inside the server: finds due work, survives failures, ends when told."""

import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.waiting import eventually
from tinysphere.errors import UnavailableError
from tinysphere.jobs import local
from tinysphere.jobs.local import LocalJobs


class Pile:
    """Work to be done: functions, one per job."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []
        self.done: list[Callable[[], None]] = []
        self.stops: list[bool] = []
        self._lock = threading.Lock()

    def run_due(self, should_stop: Callable[[], bool]) -> bool:
        with self._lock:
            if not self.due:
                return False
            job = self.due.pop(0)
        job()
        self.stops.append(should_stop())
        self.done.append(job)
        return True


@pytest.fixture
def pile() -> Pile:
    return Pile()


@pytest.fixture
def jobs(pile: Pile) -> Iterator[LocalJobs]:
    jobs = LocalJobs(pile, thread_count=2, poll_interval_s=3600)
    yield jobs
    jobs.stop()


def test_what_is_due_at_the_start_is_done(pile: Pile, jobs: LocalJobs) -> None:
    pile.due += [lambda: None] * 5
    jobs.start()
    eventually(lambda: len(pile.done) == 5)


def test_submitting_wakes_the_engine(pile: Pile, jobs: LocalJobs) -> None:
    jobs.start()
    for number in range(3):
        pile.due.append(lambda: None)
        jobs.submit(f"job-{number}")
        eventually(lambda number=number: len(pile.done) == number + 1)


def test_work_is_found_without_a_hint(pile: Pile) -> None:
    jobs = LocalJobs(pile, thread_count=1, poll_interval_s=0.01)
    jobs.start()
    pile.due.append(lambda: None)
    eventually(lambda: pile.done)
    jobs.stop()


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("a bug"), UnavailableError("DATABASE_UNAVAILABLE", "away")]
)
def test_a_failure_does_not_end_the_engine(
    pile: Pile,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(local, "ERROR_PAUSE_S", 0.01)
    jobs = LocalJobs(pile, thread_count=1, poll_interval_s=0.01)
    pile.due += [fail, lambda: None]
    with caplog.at_level(logging.WARNING):
        jobs.start()
        eventually(lambda: pile.done)
    assert str(error) in caplog.text
    jobs.stop()


def test_stopping_tells_the_running_job_and_begins_no_other(pile: Pile, jobs: LocalJobs) -> None:
    began, go_on = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        began.release()
        go_on.wait(30)

    pile.due += [wait, wait, wait]
    jobs.start()
    for _ in range(2):
        assert began.acquire(timeout=30)
    stopping = threading.Thread(target=jobs.stop)
    stopping.start()
    eventually(lambda: jobs.is_stopping)
    go_on.set()
    stopping.join(30)
    assert not stopping.is_alive()
    assert pile.stops == [True, True]
    assert len(pile.due) == 1

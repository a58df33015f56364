"""What every engine promises: it finds due work, survives failures, and ends when told."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.support.postgresql import PostgresServer
from tests.support.waiting import eventually
from tinysphere.errors import UnavailableError
from tinysphere.jobs import distributed_schema, local
from tinysphere.jobs.distributed import DistributedJobs
from tinysphere.jobs.local import LocalJobs
from tinysphere.jobs.ports import Engine

Job = Callable[[], None]
SOON_S = 0.05


class Pile:
    """Work to be done: functions by id, the oldest first. What fails is due no more."""

    def __init__(self) -> None:
        self.waiting: dict[str, Job] = {}
        self.done: list[str] = []
        self.stops: list[bool] = []
        self._lock = threading.Lock()

    def add(self, job_id: str, job: Job = lambda: None) -> str:
        with self._lock:
            self.waiting[job_id] = job
        return job_id

    def due(self, limit: int) -> list[str]:
        with self._lock:
            return list(self.waiting)[:limit]

    def run_due(self, should_stop: Callable[[], bool]) -> bool:
        return any(self.run(job_id, should_stop) for job_id in self.due(1))

    def run(self, job_id: str, should_stop: Callable[[], bool]) -> bool:
        with self._lock:
            job = self.waiting.pop(job_id, None)
        if job is None:
            return False
        job()
        self.stops.append(should_stop())
        self.done.append(job_id)
        return True


MakeEngine = Callable[..., Engine]


@pytest.fixture(scope="module")
def queue_url(postgres_server: PostgresServer) -> str:
    """A database with procrastinate's tables, as libpq reads its URL."""
    url = postgres_server.create_database().replace("+psycopg2", "")
    distributed_schema.migrate(url)
    return url


@pytest.fixture
def pile() -> Pile:
    return Pile()


@pytest.fixture(params=["local", "procrastinate"])
def make(request: pytest.FixtureRequest, pile: Pile) -> Iterator[MakeEngine]:
    """Makes engines of one kind; ``look_s`` is how long a job nobody announced may wait."""
    made: list[Engine] = []

    def engine(*, thread_count: int = 2, look_s: float = 3600) -> Engine:
        if request.param == "local":
            made.append(LocalJobs(pile, thread_count=thread_count, poll_interval_s=look_s))
        else:
            url = request.getfixturevalue("queue_url")
            made.append(
                DistributedJobs(pile, database_url=url, thread_count=thread_count, look_interval_s=look_s)
            )
        return made[-1]

    yield engine
    for one in made:
        one.stop()


def test_what_is_due_at_the_start_is_done_once(pile: Pile, make: MakeEngine) -> None:
    ids = [pile.add(f"start-{number}") for number in range(5)]
    make().start()
    eventually(lambda: len(pile.done) == 5)
    assert sorted(pile.done) == ids


def test_submitting_wakes_the_engine(pile: Pile, make: MakeEngine) -> None:
    engine = make()
    engine.start()
    pile.add("first")
    engine.submit("first")
    eventually(lambda: pile.done == ["first"])
    for number in range(3):
        engine.submit(pile.add(f"next-{number}"))
        eventually(lambda number=number: len(pile.done) == number + 2)


def test_work_is_found_without_a_hint(pile: Pile, make: MakeEngine) -> None:
    make(thread_count=1, look_s=SOON_S).start()
    pile.add("silent")
    eventually(lambda: pile.done)


def test_announcing_what_is_not_due_does_nothing(pile: Pile, make: MakeEngine) -> None:
    engine = make()
    engine.start()
    engine.submit("never-was")
    engine.submit(pile.add("real"))
    eventually(lambda: pile.done == ["real"])


def test_several_engines_share_the_work(pile: Pile, make: MakeEngine) -> None:
    together = threading.Barrier(2)
    for name in ("one", "two"):
        pile.add(name, lambda: together.wait(30) and None)
    for _ in range(2):
        make(thread_count=1, look_s=SOON_S).start()
    eventually(lambda: sorted(pile.done) == ["one", "two"])


def test_without_threads_it_announces_to_others(pile: Pile, make: MakeEngine) -> None:
    server, worker = make(thread_count=0), make(thread_count=1, look_s=SOON_S)
    server.start()
    worker.start()
    server.submit(pile.add("for-the-other"))
    eventually(lambda: pile.done == ["for-the-other"])


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("a bug"), UnavailableError("DATABASE_UNAVAILABLE", "away")]
)
def test_a_failure_does_not_end_the_engine(
    pile: Pile,
    make: MakeEngine,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(local, "ERROR_PAUSE_S", 0.01)
    engine = make(thread_count=1, look_s=SOON_S)
    pile.add("bad", fail)
    pile.add("good")
    with caplog.at_level(logging.WARNING):
        engine.start()
        eventually(lambda: pile.done == ["good"])
    assert str(error) in caplog.text


def test_stopping_tells_the_running_job_and_begins_no_other(pile: Pile, make: MakeEngine) -> None:
    engine = make()
    began, go_on = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        began.release()
        go_on.wait(30)

    for number in range(3):
        pile.add(f"long-{number}", wait)
    engine.start()
    for _ in range(2):
        assert began.acquire(timeout=30)
    stopping = threading.Thread(target=engine.stop)
    stopping.start()
    with suppress(AssertionError):
        eventually(lambda: not stopping.is_alive(), timeout_s=0.3)
    assert stopping.is_alive(), "it waits for what runs"
    go_on.set()
    stopping.join(30)
    assert not stopping.is_alive()
    assert pile.stops == [True, True]
    assert len(pile.waiting) == 1


def test_an_engine_that_never_began_can_be_stopped(make: MakeEngine) -> None:
    make()


@pytest.mark.parametrize("begun_s", [0.0, 0.01, 0.02, 0.03, 0.05])
def test_an_engine_that_only_begins_can_be_stopped(make: MakeEngine, begun_s: float) -> None:
    engine = make()
    engine.start()
    threading.Event().wait(begun_s)
    stopping = threading.Thread(target=engine.stop, daemon=True)
    stopping.start()
    stopping.join(60)
    assert not stopping.is_alive()

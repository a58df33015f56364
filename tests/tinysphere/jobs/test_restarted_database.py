"""A database that was restarted: announcements are heard again, not only found by looking."""

from pathlib import Path

import pytest

from tests.reliability.workers_stores import opened
from tests.support.waiting import eventually
from tests.tinysphere.jobs.test_engines import Pile
from tinysphere.jobs import distributed_crew, distributed_schema
from tinysphere.jobs.distributed import DistributedJobs

NEVER_S = 3600.0


def test_announcements_are_heard_after_a_restart_of_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed_crew, "POLL_INTERVAL_S", NEVER_S)
    pile = Pile()
    with opened("procrastinate", tmp_path) as store:
        url = store.url.replace("+psycopg2", "")
        distributed_schema.migrate(url)
        engine = DistributedJobs(pile, database_url=url, thread_count=1, look_interval_s=NEVER_S)
        engine.start()
        try:
            _heard(engine, pile, "before")
            assert store.restart()
            _heard(engine, pile, "after")
            _heard(engine, pile, "later")
        finally:
            engine.stop()


def _heard(engine: DistributedJobs, pile: Pile, name: str) -> None:
    """Announces until something was heard: what is announced while nobody listens yet is lost."""

    def is_heard() -> bool:
        engine.submit(pile.add(f"{name}-{len(pile.waiting)}"))
        return any(done.startswith(name) for done in pile.done)

    eventually(is_heard, timeout_s=60, every_s=0.2)

"""The engine for many hosts: jobs are announced, and handed out, through procrastinate on PostgreSQL.

The store of the work stays the truth; procrastinate's queue only says who looks at what, at once and on any host. What
it loses or repeats changes nothing: due jobs are announced again until they are done, and one that is not due is passed
over.
"""

import logging
import queue
from collections.abc import Callable

from tinysphere.jobs.distributed_crew import Crew
from tinysphere.jobs.distributed_queue import JobQueue
from tinysphere.jobs.distributed_schema import conninfo
from tinysphere.jobs.periodic import Periodic
from tinysphere.jobs.ports import Runner

LOOK_INTERVAL_S = 2.0  # for what was put off, and for what a lost announcement or a dead worker left
LOOK_LIMIT = 500
STALLED_AFTER_S = 20.0  # a worker without a heartbeat for so long is dead
MAX_HINTS = 10_000  # announcements that wait for the database; beyond them, the looking finds the jobs

_HINTS_AT_ONCE = 100


class DistributedJobs:
    """See `tinysphere.jobs.ports.Engine`. With a ``thread_count`` of 0 it only announces: others do the work."""

    def __init__(
        self,
        runner: Runner,
        *,
        database_url: str,
        thread_count: int,
        look_interval_s: float = LOOK_INTERVAL_S,
        stalled_after_s: float = STALLED_AFTER_S,
    ) -> None:
        place = conninfo(database_url)
        logging.getLogger("procrastinate").setLevel(logging.WARNING)  # two lines a job otherwise
        self._runner = runner
        self._queue = JobQueue(place)
        self._hints: queue.Queue[str] = queue.Queue(MAX_HINTS)
        self._announcer = Periodic("jobs-announcer", self._pass_on_hints, interval_s=3600)
        self._looker = Periodic("jobs-looker", self._look, interval_s=look_interval_s)
        self._crew = (
            Crew(runner, place, thread_count=thread_count, stalled_after_s=stalled_after_s)
            if thread_count
            else None
        )

    def start(self) -> None:
        """See `Engine.start`."""
        self._announcer.start()
        self._looker.start()
        if self._crew is not None:
            self._crew.start()

    def stop(self) -> None:
        """See `Engine.stop`."""
        self._announcer.stop()
        self._looker.stop()
        if self._crew is not None:
            self._crew.stop()
        self._queue.close()

    def submit(self, job_id: str) -> None:
        """See `Jobs.submit`."""
        try:
            self._hints.put_nowait(job_id)
        except queue.Full:
            return
        self._announcer.wake()

    def _pass_on_hints(self) -> None:
        while hinted := _taken(self._hints.get_nowait):
            self._queue.put(hinted)

    def _look(self) -> None:
        self._queue.put(self._runner.due(LOOK_LIMIT))


def _taken(take: Callable[[], str]) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < _HINTS_AT_ONCE:
        try:
            found[take()] = None
        except queue.Empty:
            break
    return list(found)

"""Puts jobs into procrastinate's queue, each at most once at a time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from procrastinate import SyncPsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

from tinysphere.errors import UnavailableError

TASK_NAME = "run"
QUEUE_NAME = "packages"
POOL_TIMEOUT_S = 10.0
RETRY_AFTER_S = 5.0

_WAITING = (
    "SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock = ANY(%(ids)s)"
)


class JobQueue:
    """Threads share it. It connects with the first call."""

    def __init__(self, place: str) -> None:
        self._connector = SyncPsycopgConnector(
            conninfo=place, min_size=0, max_size=2, timeout=POOL_TIMEOUT_S, name="jobs-queue"
        )
        self._manager = JobManager(self._connector)
        self._opening = threading.Lock()

    def put(self, job_ids: Sequence[str]) -> None:
        """Queue the jobs that do not wait there yet.

        Raises:
            UnavailableError: JOB_QUEUE_UNAVAILABLE; some may have been queued.
        """
        if not job_ids:
            return
        with _translated():
            with self._opening:
                self._connector.open()
            rows = self._connector.execute_query_all(_WAITING, ids=list(job_ids))
            waiting = {row["queueing_lock"] for row in rows}
            jobs = [_job(job_id) for job_id in job_ids if job_id not in waiting]
            if jobs and not self._put(jobs):
                for job in jobs:
                    self._put([job])

    def close(self) -> None:
        """Close every connection."""
        self._connector.close()

    def _put(self, jobs: list[Job]) -> bool:
        """Queue all or none: none when somebody else was faster with one of them."""
        try:
            self._manager.batch_defer_jobs(jobs)
        except AlreadyEnqueued:
            return False
        return True


def _job(job_id: str) -> Job:
    return Job(
        lock=None,
        queueing_lock=job_id,
        task_name=TASK_NAME,
        queue=QUEUE_NAME,
        task_kwargs={"job_id": job_id},
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ConnectorException, psycopg.Error) as error:
        raise UnavailableError(
            "JOB_QUEUE_UNAVAILABLE",
            f"the queue of jobs is away: {error.__cause__ or error}",
            retry_after_s=RETRY_AFTER_S,
        ) from error

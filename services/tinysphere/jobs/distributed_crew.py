"""Takes jobs out of procrastinate's queue and has them done by threads.

Procrastinate's worker is asyncio's. Its event loop stays inside one thread of this module; the work itself is done by
plain threads, and ends with the same promises as everywhere.
"""

import asyncio
import logging
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition, Status

from tinysphere.errors import TinySphereError
from tinysphere.jobs.distributed_queue import POOL_TIMEOUT_S, QUEUE_NAME, TASK_NAME
from tinysphere.jobs.ports import Runner

POLL_INTERVAL_S = 1.0  # for notifications that were lost; the others come at once
RESTART_PAUSE_S = 1.0
HEARTBEATS_UNTIL_STALLED = 4
CONNECTIONS_BESIDE_JOBS = 4  # for heartbeats and the like

logger = logging.getLogger(__name__)


class ListeningConnector(PsycopgConnector):
    """Listens for notifications again and again: procrastinate's own gives up while the database restarts."""

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Until it is cancelled."""
        names = list(channels)
        while True:
            try:
                await super().listen_notify(on_notification, names)
            except (ConnectorException, psycopg.Error) as error:
                logger.info("notifications are listened for again soon: %s", error.__cause__ or error)
            await asyncio.sleep(RESTART_PAUSE_S)


class Crew:
    """``thread_count`` threads that do jobs until they are told to stop, whatever the database does meanwhile."""

    def __init__(self, runner: Runner, place: str, *, thread_count: int, stalled_after_s: float) -> None:
        self._runner = runner
        self._place = place
        self._thread_count = thread_count
        self._stalled_after_s = stalled_after_s
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None
        self._thread = threading.Thread(target=self._run, name="jobs-crew")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no more jobs, and return when the running ones ended."""
        with self._lock:
            self._stopping.set()
            if self._running is not None:
                loop, task = self._running
                loop.call_soon_threadsafe(task.cancel)
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with suppress(asyncio.CancelledError):
                    asyncio.run(self._work())
            except (ConnectorException, psycopg.Error) as error:
                logger.warning("the queue of jobs is away: %s", error.__cause__ or error)
            except Exception:
                logger.exception("taking jobs from the queue failed")
            self._stopping.wait(RESTART_PAUSE_S)

    async def _work(self) -> None:
        app = App(connector=self._connector())
        app.task(name=TASK_NAME, queue=QUEUE_NAME)(self._do)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(self._thread_count, thread_name_prefix="jobs"))
        # Opening is never cancelled: a pool that is, while it connects, keeps a task that never ends.
        async with app.open_async():
            with self._cancellable(loop):
                dropping = asyncio.create_task(self._drop_stalled(app))
                try:
                    await self._serve(app)
                finally:
                    dropping.cancel()

    def _do(self, job_id: str) -> None:
        """One job, in a thread of the pool. What fails here stays due in the store."""
        try:
            self._runner.run(job_id, self._stopping.is_set)
        except TinySphereError as error:
            logger.warning("job %s failed: %s", job_id, error)
        except Exception:
            logger.exception("job %s failed", job_id)

    def _connector(self) -> PsycopgConnector:
        return ListeningConnector(
            conninfo=self._place,
            min_size=1,
            max_size=self._thread_count + CONNECTIONS_BESIDE_JOBS,
            timeout=POOL_TIMEOUT_S,
            name="jobs-crew",
        )

    async def _serve(self, app: App) -> None:
        await app.run_worker_async(
            queues=[QUEUE_NAME],
            concurrency=self._thread_count,
            fetch_job_polling_interval=POLL_INTERVAL_S,
            delete_jobs=DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
            update_heartbeat_interval=self._stalled_after_s / HEARTBEATS_UNTIL_STALLED,
            stalled_worker_timeout=self._stalled_after_s,
        )

    async def _drop_stalled(self, app: App) -> None:
        """Take what dead workers held off the queue, again and again: if it is still due, it is announced again."""
        while True:
            await asyncio.sleep(self._stalled_after_s / HEARTBEATS_UNTIL_STALLED)
            try:
                await app.job_manager.prune_stalled_workers(self._stalled_after_s)
                for job in await app.job_manager.get_stalled_jobs(
                    queue=QUEUE_NAME, seconds_since_heartbeat=self._stalled_after_s
                ):
                    logger.info("job %s was left by a worker that died", job.queueing_lock)
                    await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
            except ConnectorException as error:
                logger.info("stalled jobs are looked for later: %s", error.__cause__ or error)

    @contextmanager
    def _cancellable(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None, "called by a coroutine"
        with self._lock:
            if self._stopping.is_set():
                raise asyncio.CancelledError
            self._running = loop, task
        try:
            yield
        finally:
            with self._lock:
                self._running = None

"""The engine inside the server: a few threads that look for due jobs."""

import logging
import threading

from tinysphere.errors import TinySphereError
from tinysphere.jobs.ports import Runner

POLL_INTERVAL_S = 2.0  # for what other processes submitted or put off
ERROR_PAUSE_S = 5.0

logger = logging.getLogger(__name__)


class LocalJobs:
    """See `Jobs`; also what `bootstrap` calls a Background."""

    def __init__(
        self, runner: Runner, *, thread_count: int, poll_interval_s: float = POLL_INTERVAL_S
    ) -> None:
        self._runner = runner
        self._poll_interval_s = poll_interval_s
        self._submitted = threading.Semaphore(0)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"jobs-{number}") for number in range(thread_count)
        ]

    def start(self) -> None:
        """Begin to look for due jobs."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no more jobs, and return when the running ones ended."""
        self._stopping.set()
        for _ in self._threads:
            self._submitted.release()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def submit(self, job_id: str) -> None:
        """See `Jobs.submit`; the store says which job is due, so the id is not needed here."""
        self._submitted.release()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._run_due():
                self._submitted.acquire(timeout=self._poll_interval_s)

    def _run_due(self) -> bool:
        try:
            return self._runner.run_due(self._stopping.is_set)
        except TinySphereError as error:
            logger.warning("looking for due jobs failed: %s", error)
        except Exception:
            logger.exception("looking for due jobs failed")
        self._stopping.wait(ERROR_PAUSE_S)
        return False

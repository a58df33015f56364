"""Work that outlives a request, as the services see it.

What is due stands in a store, so it survives any crash; an engine only finds it and does it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol


class Jobs(Protocol):
    """Where work is announced."""

    def submit(self, job_id: str) -> None:
        """Say that a job is due now. A hint that saves waiting: due jobs are found without it. Never blocks."""


class Engine(Jobs, Protocol):
    """Where work is announced and done; also what `bootstrap` calls a Background."""

    def start(self) -> None:
        """Begin to look for due jobs."""

    def stop(self) -> None:
        """Begin no more jobs, and return when the running ones ended."""


class Runner(Protocol):
    """What knows how to do the work."""

    def due(self, limit: int) -> Sequence[str]:
        """Ids of jobs that are due and that nobody does, those longest due first."""

    def run_due(self, should_stop: Callable[[], bool]) -> bool:
        """Do the job that has been due longest; False when none is due.

        Long jobs ask ``should_stop`` now and then, and leave the rest to the next worker when it says so.
        """

    def run(self, job_id: str, should_stop: Callable[[], bool]) -> bool:
        """Do one job as `run_due` does; False when it is not due, or somebody else does it."""

"""Work that outlives a request, as the services see it.

What is due stands in a store, so it survives any crash; an engine only finds it and does it.
"""

from collections.abc import Callable
from typing import Protocol


class Jobs(Protocol):
    """Where work is announced."""

    def submit(self, job_id: str) -> None:
        """Say that a job is due now. A hint that saves waiting: due jobs are found without it. Never blocks."""


class Runner(Protocol):
    """What knows how to do the work."""

    def run_due(self, should_stop: Callable[[], bool]) -> bool:
        """Do the job that has been due longest; False when none is due.

        Long jobs ask ``should_stop`` now and then, and leave the rest to the next worker when it says so.
        """

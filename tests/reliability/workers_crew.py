"""Real `tinysphere worker` processes, to be killed at random."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

STOP_TIMEOUT_S = 60


class WorkerProcess:
    """One worker; its log goes to a file that all share."""

    def __init__(self, environment: Mapping[str, str], log: Path, *arguments: str) -> None:
        self._is_working = False
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tinysphere", "worker", *arguments],
                env=os.environ | dict(environment),
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def wait_until_working(self) -> None:
        """Return when it takes packages; at once when that was seen before.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self._process.stdout is not None
        if self._is_working:
            return
        if not self._process.stdout.readline().startswith("working on "):
            raise RuntimeError(f"a worker did not start; status {self._process.wait(STOP_TIMEOUT_S)}")
        self._is_working = True

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.communicate(timeout=STOP_TIMEOUT_S)

    def stop(self) -> int:
        """Ask it to end; its status."""
        self._process.terminate()
        self._process.communicate(timeout=STOP_TIMEOUT_S)
        return self._process.returncode


class Crew:
    """Some workers, of which one after the other is killed and replaced."""

    def __init__(self, count: int, environment: Mapping[str, str], log: Path, rng: random.Random) -> None:
        self._environment = environment
        self._log = log
        self._rng = rng
        self._workers = [WorkerProcess(environment, log) for _ in range(count)]
        self.kill_count = 0
        self.early_kill_count = 0

    def kill_one(self) -> None:
        """Kill a random worker that works, a fifth of its successors too while they start; as many go on as before."""
        place = self._rng.randrange(len(self._workers))
        self._workers[place].wait_until_working()
        self._workers[place].kill()
        self.kill_count += 1
        self._workers[place] = WorkerProcess(self._environment, self._log)
        if self._rng.random() < 0.2:
            self._workers[place].kill()
            self.kill_count += 1
            self.early_kill_count += 1
            self._workers[place] = WorkerProcess(self._environment, self._log)

    def stop(self) -> list[int]:
        """End them all; their statuses."""
        for worker in self._workers:
            worker.wait_until_working()
        return [worker.stop() for worker in self._workers]

"""The demonstration's programs: started, watched, killed and stopped as an operator would."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 15.0
TAIL_LINES = 15


class ProgramError(Exception):
    """A program did not start, or ended when it should not have; the text holds the end of its log."""


class Program:
    """One process of the demonstration, its output in a log file.

    Args:
        name: For people and for the log's name.
        module: Python module to run.
        arguments: Its arguments.
        environment: Added to this process's own.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        log_folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._log = log_folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, again if need be; the log goes on."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process that runs; 0 before one was started."""
        return 0 if self._process is None else self._process.pid

    @property
    def exit_status(self) -> int | None:
        """How it ended, minus the signal's number if by one; None before."""
        return None if self._process is None else self._process.poll()

    def require_running(self) -> None:
        """Raises ProgramError when it ended by itself."""
        if not self.running:
            raise ProgramError(f"{self.name} ended by itself; the end of {self._log}:\n{self.tail()}")

    def wait_until_listening(self, address: str) -> None:
        """Waits until something accepts connections at "host:port"."""
        host, _, port = address.rpartition(":")
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            self.require_running()
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise ProgramError(f"{self.name} does not listen at {address}; the end of its log:\n{self.tail()}")

    def kill(self) -> None:
        """Ends it as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """Asks it to end, and insists when it does not."""
        if self._process is None or not self.running:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def output(self) -> str:
        """Everything it has written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def tail(self) -> str:
        """The last lines it has written."""
        return "\n".join(self.output().splitlines()[-TAIL_LINES:])


def free_address(preferred_port: int = 0) -> str:
    """A loopback address that nothing listens at now: the preferred port if it is free, else any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ended connections do not count
        try:
            probe.bind(("127.0.0.1", preferred_port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"

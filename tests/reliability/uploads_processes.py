"""Processes that are killed and started again, their output kept in a log."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_PORTS = (
    20_000,
    32_000,
)  # below those that the system hands out, so that nobody takes one between two starts
_WAIT_S = 60


class Mortal:
    """One command, alive or not.

    Attributes:
        kill_count: How often it was killed.
        failures: Ends that nobody asked for: the last lines it wrote.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = os.environ | dict(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.kill_count = 0
        self.failures: list[str] = []

    def add_environment(self, more: Mapping[str, str]) -> None:
        """Variables for the next starts."""
        self._environment = self._environment | dict(more)

    def start(self) -> None:
        """Starts it, and does not wait for anything."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """`kill -9`, whatever it is doing."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(_WAIT_S)
            self.kill_count += 1

    def status(self) -> int | None:
        """Its exit status; None while it lives."""
        return None if self._process is None else self._process.poll()

    def keep_alive(self) -> None:
        """Starts it again when it ended by itself, and remembers that as a failure."""
        if self.status() is not None:
            self.failures.append(f"status {self.status()}: {self.last_words()}")
            self.start()

    def last_words(self, size_bytes: int = 1000) -> str:
        """The end of what it wrote."""
        return self._log.read_bytes()[-size_bytes:].decode(errors="replace")

    def end(self) -> None:
        """Ends it for good; that is no kill."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_WAIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(_WAIT_S)


def server_process(
    data_dir: Path, services: Sequence[str], settings: Mapping[str, object], log: Path
) -> Mortal:
    """`tinysphere serve`, not started yet."""
    facts = {"data_dir": data_dir} | dict(settings)
    environment = {f"TINYSPHERE_{name.upper()}": str(value) for name, value in facts.items()}
    return Mortal("tinysphere", ["serve", *services], environment, log)


def lasting_address() -> str:
    """A free loopback "host:port" that a server can have again after each start; from no seed, which others share."""
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(*_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return f"127.0.0.1:{port}"

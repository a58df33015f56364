"""A real `tinysphere serve` process, to be stopped or killed by a test."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60


class ServerProcess:
    """Serves until it is stopped or killed; ``addresses`` by service name."""

    def __init__(
        self, data_dir: Path, *services: str, settings: Mapping[str, object], prefix: Sequence[str] = ()
    ) -> None:
        """Start and wait until every service is ready.

        Args:
            data_dir: Of the server.
            services: Names as `tinysphere serve` takes them; each listens on a free port unless set.
            settings: More settings, by their field names.
            prefix: What runs a program at the place where it is to run, as lines of the rig give it.
        """
        names = ("ingestion", "drift", "distribution")
        facts = {f"{name}_address": "127.0.0.1:0" for name in names} | {"data_dir": data_dir} | dict(settings)
        environment = {f"TINYSPHERE_{key.upper()}": str(value) for key, value in facts.items()}
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tinysphere", "serve", *services],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addresses: dict[str, str] = {}
        expected = names if "all" in services else services
        for _ in expected:
            self._read_ready_line()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self._reap()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(number)
        self._reap()
        return self.process.returncode

    def _read_ready_line(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("serving "):
            self.process.kill()
            _, errors = self.process.communicate(timeout=STOP_TIMEOUT_S)
            raise AssertionError(f"the server did not start: {line}{errors}")
        _, service, _, address = line.split()
        self.addresses[service] = address

    def _reap(self) -> None:
        _, self.errors = self.process.communicate(timeout=STOP_TIMEOUT_S)

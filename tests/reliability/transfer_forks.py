"""Processes that start in a moment: forked from one that has loaded everything and done nothing.

Everything a process needs is imported once; each child then lives, is killed and leaves nothing behind but its files.
Commands come as JSON lines: what to call, with which arguments, and which moment it shall not outlive.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.reliability.transfer_moments import Moments

KILLED = -signal.SIGKILL
_END_TIMEOUT_S = 60
_LOOK_EVERY_S = 0.02
_SET_PARENT_DEATH_SIGNAL = 1  # linux/prctl.h


class Nursery:
    """Starts one child at a time; a context manager.

    Args:
        modules: To be loaded before the first child.
        package: Whose moments are watched.
        folder: For the log of all children, and the names of moments.
        environment: Variables of all children.
    """

    def __init__(
        self,
        modules: Sequence[str],
        *,
        package: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = folder / f"{package}.log"
        self._names = folder / f"{package}.moments"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.reliability.transfer_forks",
                    package,
                    str(self._names),
                    *modules,
                ],
                env=os.environ | dict(environment or {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._child = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child:
            self.kill()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(_END_TIMEOUT_S)

    def start(self, target: str, *arguments: Any, cut_at: str = "") -> None:
        """Lets a child call ``target``, "module:function"."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([target, arguments, cut_at]) + "\n")
        self._process.stdin.flush()
        self._child = int(self.line())

    def line(self) -> str:
        """The next line of the child's output; "ended STATUS" is the last one."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill(self) -> int:
        """`kill -9`; returns the status, which is another one when it had ended before."""
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        return self.ended()

    def dies_within(self, timeout_s: float) -> bool:
        """Whether the child ends by itself in that time."""
        deadline_s = time.monotonic() + timeout_s
        with suppress(ProcessLookupError):
            while time.monotonic() < deadline_s:
                os.kill(self._child, 0)
                time.sleep(_LOOK_EVERY_S)
            return False
        return True

    def ended(self) -> int:
        """Waits for its end, and returns its status."""
        while not (line := self.line()).startswith("ended "):
            if not line:
                raise RuntimeError(f"the nursery is gone:\n{self.log.read_text()[-2000:]}")
        self._child = 0
        return int(line.split()[1])

    def forget_moments(self) -> None:
        """Begins to collect names anew."""
        self._names.unlink(missing_ok=True)

    def moments(self) -> list[str]:
        """Names of all moments children came by so far, in the order of their first occurrence."""
        names = self._names.read_text(encoding="utf-8").splitlines() if self._names.exists() else []
        return list(dict.fromkeys(names))


def main(package: str, names: Path, modules: Sequence[str]) -> None:
    """Forks a child for each line, and waits for it."""
    _die_with_parent()
    for module in modules:
        importlib.import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _live(package, names, *json.loads(line))
        _, status = os.waitpid(child, 0)
        print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)


def _live(package: str, names: Path, target: str, arguments: list[Any], cut_at: str) -> None:
    status = 1
    try:
        _die_with_parent()
        print(os.getpid(), flush=True)
        Moments(package, cut_at=cut_at, log=names).watch()
        module, _, function = target.partition(":")
        getattr(importlib.import_module(module), function)(*arguments)
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _die_with_parent() -> None:
    """Nothing outlives a test that is ended by force."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])

"""Network namespaces of our own: hosts that share nothing but the line between them. They need root.

Nothing is made in the namespace of the test itself, and none of these has a way out: no packet leaves the two hosts.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

_PREFIX = "tinymlops-rig"
_NAME = re.compile(rf"{_PREFIX}-(\d+)-\d+-\w+")
_FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_COMMAND_TIMEOUT_S = 30
_PROGRAMS = ("ip", "nft", "tc")
_serial = itertools.count(1)


@cache
def lacking() -> str:
    """Returns what is missing to make namespaces and lines between them, or nothing."""
    if os.geteuid() != 0:
        return "root"
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} (apt-get install iproute2 nftables)"
    try:
        with Namespace.anew("probe") as probe:  # root of a container may not be allowed to
            probe.ip("tuntap add dev probe mode tun")
            probe.nft("add table inet rig")
    except RuntimeError as error:
        return f"the right to make hosts and lines: {error}"
    return ""


class Namespace:
    """A host; a context manager that removes it with everything in it.

    Its name holds the id of the process that made it, so that what a killed one left is known for what it is.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def anew(cls, role: str) -> Self:
        """One that is not there yet; ``role`` is for people."""
        return cls(f"{_PREFIX}-{os.getpid()}-{next(_serial)}-{role}")

    def __enter__(self) -> Self:
        run("ip", "netns", "add", self.name)
        try:
            self.ip("link set lo up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs a program in it; the process stays the one that was started."""
        return ("ip", "netns", "exec", self.name)

    def ip(self, arguments: str) -> str:
        """Runs `ip` on it."""
        return run("ip", "-n", self.name, *arguments.split())

    def nft(self, script: str) -> None:
        """Runs a script of nft in it, all of it or nothing."""
        run(*self.prefix, "nft", "-f", "-", text=script)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is in it; what it opens there stays there. Other threads are where they were."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            with (_FOLDER / self.name).open() as there:
                _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home)
        finally:
            os.close(home)

    def connect(self, address: tuple[str, int]) -> socket.socket:
        """Returns a connection as a program in it would make it, usable from outside."""
        with self.inside():
            return socket.create_connection(address, timeout=5)

    def _remove(self) -> None:
        remove(self.name)


def run(*command: str, text: str | None = None) -> str:
    """Runs a command and returns what it printed; its error message is in the exception.

    Raises:
        RuntimeError: It failed.
    """
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def remove(name: str) -> None:
    """Ends what still runs in a namespace of this rig, and removes it with its interfaces."""
    with suppress(RuntimeError):
        for pid in run("ip", "netns", "pids", name).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    run("ip", "netns", "delete", name)


def sweep_leftovers() -> list[str]:
    """Removes what test runs that were killed left behind; returns the names."""
    names = [path.name for path in _FOLDER.iterdir()] if _FOLDER.is_dir() else []
    left = [name for name in names if (found := _NAME.fullmatch(name)) and not _is_alive(int(found[1]))]
    for name in left:
        with suppress(RuntimeError):  # another run sweeps too
            remove(name)
    return left


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")

"""Runs `tinysphere` and writes down each file it touches that is not its business.

`python -m tests.reliability.archives_watch REPORT PRIVATE ARGUMENTS`: one line for each file outside of PRIVATE that
is opened for writing, made, renamed, linked or removed, for each secret that is read, each program that is started.
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    "os.mkdir",
    "os.rename",
    "os.link",
    "os.symlink",
    "os.remove",
    "os.rmdir",
    "os.chmod",
    "os.truncate",
    "os.utime",
}
_PROGRAMS = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen"}
_SECRETS = ("/etc/passwd", "/etc/shadow")
_HARMLESS = ("/dev/null",)


def watch(report: int, private: str) -> None:
    """From now on, for good; ``report`` is an open file's descriptor."""

    def tell(event: str, path: object) -> None:
        os.write(report, f"{event} {path!r}\n".encode())

    def is_outside(path: object) -> bool:
        if not isinstance(path, str | bytes):
            return False  # a descriptor, opened before by a name that was looked at
        real = os.path.realpath(os.fsdecode(path))
        return real not in _HARMLESS and real != private and not real.startswith(private + os.sep)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if path in _SECRETS or (flags & _WRITES and is_outside(path)):
                tell(event, path)
        elif event in _CHANGES:
            for path in arguments[: 2 if event in ("os.rename", "os.link", "os.symlink") else 1]:
                if is_outside(path):
                    tell(event, path)
        elif event in _PROGRAMS:
            tell(event, arguments)

    sys.addaudithook(hook)


def main() -> None:
    """Watches, then becomes `tinysphere`."""
    report, private, *arguments = sys.argv[1:]
    watch(os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND), os.path.realpath(private))
    sys.argv = ["tinysphere", *arguments]
    runpy.run_module("tinysphere", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

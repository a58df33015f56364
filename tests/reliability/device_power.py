"""Cuts a process at the k-th moment at which something is about to become durable, or just became so.

Moments are found in the running code: before and after each fsync, rename, unlink, symlink and SQLite commit that the
device makes, named after the operation and the functions of the device that asked for it.

A kill loses nothing that the kernel holds; a power cut does. For the second kind every rename and unlink that no
directory fsync followed is undone, and a file that was never synced keeps half of its bytes: the worst that a
journaling file system may leave behind.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.reliability.device_forks import CUT

_DEPTH = 4


class Power:
    """Counts the moments of one process, and cuts it at one of them.

    Args:
        cut_at: Number of the moment, from 1; 0 for never.
        is_lost: Whether what was not synced is lost, as with the power.
        aside: Where what may have to come back is kept; on the same file system.
    """

    def __init__(self, cut_at: int, *, is_lost: bool, aside: Path) -> None:
        self.names: list[str] = []
        self._cut_at = cut_at
        self._is_lost = is_lost
        self._aside = aside
        self._undo: list[tuple[set[Path], Callable[[], None]]] = []
        self._synced: set[int] = set()
        self._unsynced: set[Path] = set()

    def watch(self) -> None:
        """Puts itself between the device and the operating system, for the rest of this process."""
        self._fsync, self._replace, self._unlink = os.fsync, os.replace, os.unlink
        self._link, self._symlink = os.link, os.symlink
        os.fsync = self._watched_fsync  # type: ignore[assignment]  # the same calls, watched
        os.replace = self._watched_replace  # type: ignore[assignment]
        os.rename = self._watched_replace  # type: ignore[assignment]
        os.unlink = self._watched_unlink  # type: ignore[assignment]
        os.symlink = self._watched_symlink  # type: ignore[assignment]
        power, connect = self, sqlite3.connect

        class Connection(sqlite3.Connection):
            def __exit__(self, *error: Any) -> Any:
                power.moment("before commit")
                left = super().__exit__(*error)
                power.moment("after commit")
                return left

        def watched_connect(*args: Any, **options: Any) -> sqlite3.Connection:
            return connect(*args, **{"factory": Connection} | options)

        sqlite3.connect = watched_connect  # type: ignore[assignment]

    def moment(self, name: str) -> None:
        """Something is about to become durable, or did."""
        asker = _asker()
        if not asker:
            return
        self.names.append(f"{name} in {asker}")
        if len(self.names) == self._cut_at:
            if self._is_lost:
                self._lose()
            os._exit(CUT)

    def _lose(self) -> None:
        for path in self._unsynced:
            if path.exists() and path.stat().st_ino not in self._synced:
                os.truncate(path, path.stat().st_size // 2)
        for _, undo in reversed(self._undo):
            undo()

    def _watched_fsync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if not is_folder:
            self._unsynced.add(path)
        self.moment(f"before fsync of a {'folder' if is_folder else 'file'}")
        self._fsync(descriptor)
        self._synced.add(os.fstat(descriptor).st_ino)
        if is_folder:
            self._undo = [(waits - {path}, undo) for waits, undo in self._undo if waits - {path}]
        self.moment(f"after fsync of a {'folder' if is_folder else 'file'}")

    def _watched_replace(self, source: Any, target: Any, **options: Any) -> None:
        source, target = Path(source), Path(target)
        self.moment("before rename")
        old = self._keep(target)

        def undo() -> None:
            self._replace(target, source)
            if old is not None:
                self._replace(old, target)

        self._replace(source, target, **options)
        self._undo.append(({target.parent.resolve()}, undo))
        self.moment("after rename")

    def _watched_unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        if dir_fd is not None:
            self._unlink(path, dir_fd=dir_fd)  # of a whole tree that is forgotten; nobody waits for it
            return
        path = Path(path)
        old = self._keep(path)
        if old is not None:
            self.moment("before unlink")
        self._unlink(path)
        if old is not None:
            self._undo.append(({path.parent.resolve()}, lambda: self._come_back(old, path)))
            self.moment("after unlink")

    def _watched_symlink(self, source: Any, target: Any, is_directory: bool = False) -> None:
        self.moment("before symlink")
        self._symlink(source, target, is_directory)
        self.moment("after symlink")

    def _come_back(self, old: Path, path: Path) -> None:
        if not path.exists() and path.parent.exists():
            self._replace(old, path)

    def _keep(self, path: Path) -> Path | None:
        """Keeps another name of a file; None when there is none."""
        if not path.exists() and not path.is_symlink():
            return None
        old = self._aside / str(len(list(self._aside.iterdir())))
        self._link(path, old, follow_symlinks=False)
        return old


def _asker() -> str:
    """The functions of the device that asked, outermost first; empty when the device did not."""
    names: list[str] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and len(names) < _DEPTH:
        if frame.f_globals.get("__name__", "").startswith("tinylcm."):
            names.append(frame.f_code.co_qualname)
        frame = frame.f_back
    return " > ".join(reversed(names))

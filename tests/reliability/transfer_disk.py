"""A disk that keeps only what was synced: after a kill, everything else below one folder is taken away.

What was synced is recorded by `transfer_synced.c`, preloaded into the process under test, so SQLite's own files are
treated like all others. Names hold when their folder was synced, bytes when their file was, each for itself, as POSIX
allows. *Strictly*, everything unsynced is lost. *By chance*, each unsynced name and each unsynced block of 4 KiB may
have reached the disk, whatever was written before or after it.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("transfer_synced.c")
_BLOCK_BYTES = 4096

Names = dict[str, tuple[int, bool]]
"""By name: inode, and whether it is a folder."""


def compiler() -> str | None:
    """The C compiler; None without one."""
    return shutil.which("cc")


def build_recorder(folder: Path) -> Path:
    """Compiles what is preloaded; returns the library."""
    library = folder / "synced.so"
    command = [
        compiler() or "cc",
        "-O1",
        "-shared",
        "-fPIC",
        "-o",
        str(library),
        str(_SOURCE),
        "-ldl",
        "-pthread",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return library


class LosingDisk:
    """One folder as a process sees it, and what of it would outlive the power."""

    def __init__(self, root: Path, shadow: Path, recorder: Path) -> None:
        """Takes a folder as it is for durable; ``shadow`` is a new one beside it, on the same file system."""
        self._root = root.resolve()
        self._shadow = shadow.resolve()
        self._recorder = recorder
        self.lost_bytes = 0
        self.lost_names = 0
        self._root.mkdir(parents=True, exist_ok=True)
        self.remember()

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the process that uses the folder."""
        return {
            "LD_PRELOAD": str(self._recorder),
            "SYNCED_ROOT": str(self._root),
            "SYNCED_SHADOW": str(self._shadow),
        }

    def lose(self, rng: random.Random | None = None) -> None:
        """Takes away what was not synced, all of it, or by chance; no process may use the folder."""
        after = self._root.with_name(f"{self._root.name}.after")
        after.mkdir()
        inodes = {path.stat().st_ino: path for path in self._root.rglob("*") if path.is_file()}
        self._rebuild(self._root.stat().st_ino, self._root, after, inodes, rng)
        shutil.rmtree(self._root)
        after.rename(self._root)
        self.remember()

    def _rebuild(
        self, inode: int, before: Path | None, after: Path, inodes: dict[int, Path], rng: random.Random | None
    ) -> None:
        synced = _read_names(self._shadow / f"d-{inode}")
        current = _look_at(before) if before is not None and before.is_dir() else {}
        for name in sorted(synced.keys() | current.keys()):
            found = _choose(synced.get(name), current.get(name), rng)
            self.lost_names += found != current.get(name)
            if found is None:
                continue
            number, is_folder = found
            if is_folder:
                (after / name).mkdir()
                here = before / name if before is not None and current.get(name) == found else None
                self._rebuild(number, here, after / name, inodes, rng)
            else:
                (after / name).write_bytes(self._bytes(number, inodes, rng))

    def _bytes(self, inode: int, inodes: dict[int, Path], rng: random.Random | None) -> bytes:
        synced = _read(self._shadow / f"f-{inode}")
        written = _read(inodes.get(inode, self._shadow / f"k-{inode}"))
        kept = synced if rng is None else _mixed(synced, written, rng)
        self.lost_bytes += max(len(written) - len(synced), 0)
        return kept

    def remember(self) -> None:
        """What stands in the folder now counts as durable."""
        shutil.rmtree(self._shadow, ignore_errors=True)
        self._shadow.mkdir(parents=True)
        for path in [self._root, *self._root.rglob("*")]:
            inode = path.stat().st_ino
            if path.is_dir():
                _write_names(self._shadow / f"d-{inode}", _look_at(path))
            else:
                shutil.copyfile(path, self._shadow / f"f-{inode}")
                os.link(path, self._shadow / f"k-{inode}")


def _look_at(folder: Path) -> Names:
    with os.scandir(folder) as entries:
        return {entry.name: (entry.inode(), entry.is_dir(follow_symlinks=False)) for entry in entries}


def _read_names(listing: Path) -> Names:
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    parts = (line.split(" ", 2) for line in lines)
    return {name: (int(inode), kind == "d") for inode, kind, name in parts}


def _write_names(listing: Path, names: Names) -> None:
    lines = (f"{inode} {'d' if is_folder else 'f'} {name}\n" for name, (inode, is_folder) in names.items())
    listing.write_text("".join(lines), encoding="utf-8")


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _choose(
    synced: tuple[int, bool] | None, current: tuple[int, bool] | None, rng: random.Random | None
) -> tuple[int, bool] | None:
    return current if rng is not None and rng.random() < 0.5 else synced


def _mixed(synced: bytes, written: bytes, rng: random.Random) -> bytes:
    """Each block from one or the other, as long as either or anything between; never less than both have alike."""
    size = rng.randint(*sorted((len(synced), len(written))))
    mixed = bytearray(size)
    for start in range(0, size, _BLOCK_BYTES):
        block = rng.choice((synced, written))[start : min(start + _BLOCK_BYTES, size)]
        mixed[start : start + len(block)] = block
    return bytes(mixed)

"""Files that are either wholly there or not there at all, whenever the power fails."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from tinylcm.errors import StorageFullError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_durably(path: Path, parts: Iterable[bytes]) -> None:
    """Writes a file beside its place, syncs it and renames it, so that readers see the old one or the new one.

    Raises:
        StorageFullError: The disk is full; what stood at ``path`` still stands.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("wb") as file:
            file.writelines(parts)
            sync_file(file.fileno())
        replace_durably(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        if is_full(error):
            raise StorageFullError(f"no space left to write {path.name}") from error
        raise


def is_full(error: OSError) -> bool:
    """Whether an error means that the disk, the quota or the file has no room left."""
    return error.errno in _FULL


def replace_durably(source: Path, target: Path) -> None:
    """Renames a synced file to ``target`` on the same file system, and syncs the folders concerned."""
    source.replace(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def sync_file(descriptor: int) -> None:
    """Waits until the bytes of an open file have reached the disk."""
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder have reached the disk; a rename alone is not durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> Path:
    """Makes a folder and its parents, and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sweep_unfinished(folder: Path) -> None:
    """Removes what `write_durably` left behind when the power failed in the middle."""
    for aside in folder.glob(".*.part"):
        aside.unlink(missing_ok=True)

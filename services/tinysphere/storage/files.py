"""What every store of local files shares: durable names, and what a full disk means."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinysphere.errors import ExhaustedError

FULL_RETRY_AFTER_S = 60.0

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def make_folder(folder: Path) -> None:
    """Make ``folder`` inside an existing one, durably."""
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def full_disk_translated() -> Iterator[None]:
    """Raise ExhaustedError/DISK_FULL for what the system says when no room is left."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise disk_full() from error
        raise


def disk_full() -> ExhaustedError:
    """The error."""
    return ExhaustedError("DISK_FULL", "the server's disk is full", retry_after_s=FULL_RETRY_AFTER_S)

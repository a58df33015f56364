"""One daemon for one data folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinylcm.errors import TinyLcmError


@contextmanager
def sole_use(path: Path) -> Iterator[None]:
    """Holds the lock file at ``path``; it is free again when the process ends, however that happens.

    Raises:
        TinyLcmError: A daemon, or a command that changes its state, holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TinyLcmError(f"another daemon uses {path.parent}; stop it first") from error
        yield


def is_in_use(path: Path) -> bool:
    """Whether a daemon holds the lock."""
    if not path.exists():
        return False
    try:
        with sole_use(path):
            return False
    except TinyLcmError:
        return True

"""Keeps the daemon small on glibc, whose allocator keeps what a burst of work once needed."""

import ctypes

_M_ARENA_MAX = -8  # malloc.h


def use_few_arenas() -> None:
    """Lets all threads share two heaps instead of opening one each; for the start of the program."""
    libc = _libc()
    if libc is not None and hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 2)


def return_free_memory() -> None:
    """Gives memory that is free back to the system: an adaptation needs tens of MiB for a few seconds."""
    libc = _libc()
    if libc is not None and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def _libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None)
    except OSError:
        return None

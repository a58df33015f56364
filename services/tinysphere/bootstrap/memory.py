"""Keeps a server's memory cheap: glibc's heaps steady, and Python's collector away from what stays."""

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h
_KEPT_BYTES = 4 << 20
_NEW_OBJECTS = (
    10_000  # more than the calls under way hold together; Python's own 700 look again at each of them
)


def keep_heaps_steady() -> None:
    """For the start of the program: threads share two heaps, each of which keeps a few MiB that are free.

    By itself glibc gives a heap to each of the first threads, and gives the memory of each large message back to the
    system, which then clears the same pages for the next one: an eighth of the CPU of an upload.
    """
    try:
        libc = ctypes.CDLL(None)
    except OSError:
        return
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def collect_seldom() -> None:
    """For a program that is ready: what was loaded until now is garbage never, and new objects are looked at seldom."""
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)

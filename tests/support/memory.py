"""What a process holds: memory, threads and open files, as the kernel counts them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

EVERY_S = 0.2
# After this share of a run memory counts: pools, caches and queues are full by then.
SETTLED_SHARE = 0.3


def resident_mib(pid: int) -> float | None:
    """Resident memory; None once the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:")]
    return found[0] if found else None


def thread_count(pid: int) -> int:
    """Threads of a living process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def open_file_count(pid: int) -> int:
    """Files and sockets a living process holds."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def growth(sizes: Sequence[float]) -> float:
    """Between the medians of the first and the last tenth, once settled; 0 of too few samples."""
    settled = sizes[int(len(sizes) * SETTLED_SHARE) :]
    tenth = max(len(settled) // 10, 1)
    return median(settled[-tenth:]) - median(settled[:tenth]) if settled else 0.0


@contextmanager
def sampled_memory(pid: int) -> Iterator[list[float]]:
    """Resident memory in MiB, five times a second while the block runs."""
    sizes: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set() and (size := resident_mib(pid)) is not None:
            sizes.append(size)
            ended.wait(EVERY_S)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield sizes
    finally:
        ended.set()
        thread.join()

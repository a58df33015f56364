"""How fast a package arrives, beside an aiohttp streaming PUT, a FastAPI multipart POST and an S3 PUT to SeaweedFS.

The device's real sending side uploads to a real ingestion service; the others send the same file, in turns, and their
servers do the same work: SHA-256, a file, an fsync before the answer. Every client and every server is a process of its
own. `ratio_to_*` are throughputs, ours over theirs, in each round; CPU seconds are those of our processes;
`rss_growth_mib` is what a fresh server process grows by while one upload is under way, after a small one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.upload_clients import Spent, send_from_process
from benchmarks.upload_servers import NEEDED, OURS, Receiver, missing, receiving

MIB, GIB = 1 << 20, 1 << 30
SIZE_BYTES, QUICK_SIZE_BYTES = 256 * MIB, 64 * MIB
ROUNDS, QUICK_ROUNDS = 7, 3
RESIDENT_BYTES, QUICK_RESIDENT_BYTES = 200 * MIB, 64 * MIB
RESIDENT_ROUNDS = 3
WARMING_BYTES = 8 * MIB
LOOK_S = 0.02


@dataclass(slots=True)
class Found:
    """Every value of every figure."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def note(self, key: str, value: float) -> None:
        """Takes one more value."""
        self.values.setdefault(key, []).append(value)

    def take_round(self, spent: dict[str, Spent], server_cpu_s: dict[str, float], size_bytes: int) -> None:
        """Takes what all sides needed for the same file."""
        for name in spent.keys() - {OURS}:
            self.note(f"ratio_to_{name}", spent[name].wall_s / spent[OURS].wall_s)
        self.note("server_cpu_s_per_gib", server_cpu_s[OURS] * GIB / size_bytes)
        self.note("client_cpu_s_per_gib", spent[OURS].cpu_s * GIB / size_bytes)

    def result(self, *, quick: bool) -> dict[str, object]:
        """The medians, with the lowest and the highest value."""
        figures = {key: round(statistics.median(values), 3) for key, values in self.values.items()}
        spread = {key: [round(min(values), 3), round(max(values), 3)] for key, values in self.values.items()}
        return {"name": "upload", "quick": quick, "figures": figures, "spread": spread}


def measure_speed(folder: Path, found: Found, *, size_bytes: int, rounds: int) -> None:
    """All servers run all the time; who is first in a round changes."""
    with ExitStack() as stack:
        receivers = [stack.enter_context(receiving(name, folder / name)) for name in (OURS, *present_peers())]
        for receiver in receivers:
            upload(receiver, folder, WARMING_BYTES)
        for number in range(rounds):
            path = random_file(folder, size_bytes)
            spent: dict[str, Spent] = {}
            server_cpu_s: dict[str, float] = {}
            for receiver in receivers[number % len(receivers) :] + receivers[: number % len(receivers)]:
                os.sync()  # what others left to the disk is not this one's work
                before_s = cpu_s(receiver.pid)
                spent[receiver.name] = send_from_process(receiver.name, receiver.address, path)
                server_cpu_s[receiver.name] = cpu_s(receiver.pid) - before_s
            found.take_round(spent, server_cpu_s, size_bytes)
            print(f"{number + 1}/{rounds} {describe(spent, server_cpu_s, size_bytes)}", flush=True)


def present_peers() -> list[str]:
    """Those to compare with; what the others lack is said."""
    for name in NEEDED:
        if lacking := missing(name):
            print(f"without {name}, not installed: {', '.join(lacking)}", flush=True)
    return [name for name in NEEDED if not missing(name)]


def describe(spent: dict[str, Spent], server_cpu_s: dict[str, float], size_bytes: int) -> str:
    """One round for people: MiB/s, and CPU seconds of client and server where they are known."""
    return ", ".join(
        f"{name} {size_bytes / MIB / it.wall_s:.0f} MiB/s ({it.cpu_s:.2f} + {server_cpu_s[name]:.2f} s)"
        for name, it in sorted(spent.items())
    )


def measure_memory(folder: Path, found: Found, *, size_bytes: int, rounds: int) -> None:
    """A server of its own each time, since freed memory stays with a process."""
    for number in range(rounds):
        with receiving(OURS, folder / f"memory-{number}") as receiver:
            upload(receiver, folder, WARMING_BYTES)
            before_mib = resident_mib(receiver.pid)
            peak_mib = peak_while_uploading(receiver, folder, size_bytes)
        found.note("rss_growth_mib", peak_mib - before_mib)
        print(f"{number + 1}/{rounds} memory {before_mib:.1f}, at most {peak_mib:.1f} MiB", flush=True)


def peak_while_uploading(receiver: Receiver, folder: Path, size_bytes: int) -> float:
    """Most MiB that the server's process had, looked at every 20 ms."""
    seen, is_over = [resident_mib(receiver.pid)], threading.Event()

    def look() -> None:
        while not is_over.wait(LOOK_S):
            seen.append(resident_mib(receiver.pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        upload(receiver, folder, size_bytes)
    finally:
        is_over.set()
        watcher.join()
    return max(seen)


def upload(receiver: Receiver, folder: Path, size_bytes: int) -> None:
    """Sends so many new bytes."""
    send_from_process(receiver.name, receiver.address, random_file(folder, size_bytes))


def random_file(folder: Path, size_bytes: int) -> Path:
    """Bytes that no server has; takes the place of those before."""
    path = folder / "package"
    with path.open("wb") as file:
        for _ in range(size_bytes // MIB):
            file.write(os.urandom(MIB))
    return path


def cpu_s(pid: int) -> float:
    """User and system seconds of a process so far; 0 for none."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64 MiB, three rounds, memory once")
    quick = parser.parse_args().quick
    found = Found()
    with tempfile.TemporaryDirectory() as name:
        measure_speed(
            Path(name),
            found,
            size_bytes=QUICK_SIZE_BYTES if quick else SIZE_BYTES,
            rounds=QUICK_ROUNDS if quick else ROUNDS,
        )
        measure_memory(
            Path(name),
            found,
            size_bytes=QUICK_RESIDENT_BYTES if quick else RESIDENT_BYTES,
            rounds=1 if quick else RESIDENT_ROUNDS,
        )
    print(json.dumps(found.result(quick=quick)))


if __name__ == "__main__":
    main()

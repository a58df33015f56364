"""How fast small packages become durable, beside the rate at which the disk makes files of their size durable.

Devices, each with a connection of its own, send packages of 10 KiB by PutPackage to a real ingestion service (SQLite,
local files) and wait for each receipt. `ratio_to_durable_files_N` is the rate of N devices over that of one writer
making files of 10 KiB on the same disk: written aside, synced, renamed, and the folder synced. It is that of a service
that only receives, packages being processed by `tinysphere worker`; `while_processing_N` is that of one that processes
what it received at the same time, in the same process, as it does by default. Files are made right before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.busy_devices import PACKAGE_BYTES, PACKAGES, Sent, send_from_devices
from benchmarks.upload import cpu_s
from benchmarks.upload_servers import OURS, Receiver, receiving
from tinysphere.storage.files import sync_folder

COUNTS = {1: 400, 16: 2400, 64: 3200}  # packages by devices
WORKERS = {"ratio_to_durable_files": 0, "while_processing": 1}
QUICK_SHARE = 4
ROUNDS, QUICK_ROUNDS = 5, 2
DISK_S = 1.5


def durable_files_per_s(folder: Path, seconds: float) -> float:
    """Files of a package's size made durable one after the other, as a careful program stores one."""
    folder.mkdir(exist_ok=True)
    content, count, began_s = os.urandom(PACKAGE_BYTES), 0, time.perf_counter()
    while time.perf_counter() - began_s < seconds:
        with (folder / "temporary").open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        (folder / "temporary").rename(folder / f"{count}")
        sync_folder(folder)
        count += 1
    return count / (time.perf_counter() - began_s)


def measure(receiver: Receiver, folder: Path, key: str, *, rounds: int, share: int) -> dict[str, list[float]]:
    """Every ratio of every figure of one service."""
    found: dict[str, list[float]] = {f"{key}_{count}": [] for count in COUNTS}
    for number in range(rounds):
        for count in COUNTS:
            before = durable_files_per_s(folder / "files", DISK_S / 2)
            server_cpu_s = cpu_s(receiver.pid)
            sent = send_from_devices(PACKAGES, receiver.address, count, COUNTS[count] // share)
            server_cpu_s = cpu_s(receiver.pid) - server_cpu_s
            after = durable_files_per_s(folder / "files", DISK_S / 2)
            disk_per_s = (before + after) / 2
            found[f"{key}_{count}"].append(sent.per_s / disk_per_s)
            print(f"{number + 1}/{rounds} {key}: {describe(sent, disk_per_s, server_cpu_s)}", flush=True)
    return found


def describe(sent: Sent, disk_per_s: float, server_cpu_s: float) -> str:
    """One measurement for people."""
    return (
        f"{sent.device_count} devices: {sent.per_s:.0f}/s, median {sent.median_ms:.1f} ms, p99 {sent.p99_ms:.1f} ms,"
        f" {server_cpu_s / sent.request_count * 1000:.1f} ms of CPU each; disk {disk_per_s:.0f} files/s"
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the packages, two rounds")
    quick = parser.parse_args().quick
    rounds, share = (QUICK_ROUNDS, QUICK_SHARE) if quick else (ROUNDS, 1)
    found: dict[str, list[float]] = {}
    for key, worker_threads in WORKERS.items():
        with (
            tempfile.TemporaryDirectory() as name,
            receiving(OURS, Path(name) / OURS, worker_threads=worker_threads) as receiver,
        ):
            found |= measure(receiver, Path(name), key, rounds=rounds, share=share)
    figures = {key: round(statistics.median(values), 3) for key, values in found.items()}
    spread = {key: [round(min(values), 3), round(max(values), 3)] for key, values in found.items()}
    print(json.dumps({"name": "small_packages", "quick": quick, "figures": figures, "spread": spread}))


if __name__ == "__main__":
    main()

"""How many heartbeats a server takes, and what each costs it.

Devices, each with a connection of its own, send heartbeats with counters and status to a real ingestion service, on
SQLite, as fast as they are answered. `per_s_N` is the rate from N devices, `cpu_ms_N` what the server spent on each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from benchmarks.busy_devices import HEARTBEATS, send_from_devices
from benchmarks.upload import cpu_s
from benchmarks.upload_servers import OURS, receiving

COUNTS = {1: 1000, 16: 6400, 64: 6400}  # heartbeats by devices
QUICK_SHARE = 4
ROUNDS, QUICK_ROUNDS = 5, 2


def measure(folder: Path, *, rounds: int, share: int) -> dict[str, list[float]]:
    """Every value of every figure."""
    found: dict[str, list[float]] = {}
    with receiving(OURS, folder / OURS) as receiver:
        for number in range(rounds):
            for count, heartbeat_count in COUNTS.items():
                before_s = cpu_s(receiver.pid)
                sent = send_from_devices(HEARTBEATS, receiver.address, count, heartbeat_count // share)
                cpu_ms = (cpu_s(receiver.pid) - before_s) / sent.request_count * 1000
                found.setdefault(f"per_s_{count}", []).append(sent.per_s)
                found.setdefault(f"cpu_ms_{count}", []).append(cpu_ms)
                print(
                    f"{number + 1}/{rounds} {count} devices: {sent.per_s:.0f}/s, median {sent.median_ms:.1f} ms,"
                    f" p99 {sent.p99_ms:.1f} ms, {cpu_ms:.2f} ms of CPU each",
                    flush=True,
                )
    return found


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the heartbeats, two rounds")
    quick = parser.parse_args().quick
    rounds, share = (QUICK_ROUNDS, QUICK_SHARE) if quick else (ROUNDS, 1)
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), rounds=rounds, share=share)
    figures = {key: round(statistics.median(values), 3) for key, values in found.items()}
    spread = {key: [round(min(values), 3), round(max(values), 3)] for key, values in found.items()}
    print(json.dumps({"name": "heartbeats", "quick": quick, "figures": figures, "spread": spread}))


if __name__ == "__main__":
    main()

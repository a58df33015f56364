"""What a link that breaks costs: bytes sent twice, and time until a dead link is noticed and a returned one used.

A device's real sending side uploads over a TCP proxy on loopback to a real server process. `wire_ratio_*` is what
went up through the proxy over the size of the package, with a cut (RST) at random about every so many bytes. `notice_s`
is the time from the moment at which an upload's link moves no byte any more, all connections left open, to the device's
giving it up; `resume_s` the time from the link's return after an outage to the next byte acknowledged.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.server import Server
from rig.link import FaultyLink, LinkFaults
from tests.tinylcm.builders import package
from tests.tinylcm.sync.conftest import Rig
from tinylcm.adapters.clock import SystemClock

MIB = 1 << 20
PACKAGE_BYTES = 20 * MIB
OUTAGE_S = 12.0
LIMIT_S = 120.0
STEADY = LinkFaults(rate_bytes_per_s=2 * MIB)


def wire_ratio(server: Server, folder: Path, mean_bytes: int, *, seed: int) -> float:
    """Bytes that went up over the size of the package."""
    faults = LinkFaults(cut_after_bytes=(mean_bytes // 2, mean_bytes * 3 // 2))
    with sending(server, folder, faults, seed=seed) as (rig, link):
        run_until(rig, lambda: rig.tally.package_count == 1)
        return link.counts.up_bytes / PACKAGE_BYTES


def outage(server: Server, folder: Path, *, refused: bool, seed: int) -> tuple[float, float]:
    """Seconds to notice, seconds to resume. The returning link was refused, or silent, all the while."""
    with sending(server, folder, STEADY, seed=seed) as (rig, link):
        moments: dict[str, float] = {}

        def die() -> None:
            if "died" not in moments:
                link.stall()
                moments["died"] = time.monotonic()

        rig.uploader.between_acknowledgements = die
        run_until(rig, lambda: "died" in moments)
        notice_s = time.monotonic() - moments["died"]
        if refused:
            link.heal()
            link.refuse()
            link.cut()
        before = rig.tally.acknowledged_bytes

        def heal() -> None:
            moments["healed"] = time.monotonic()
            link.heal()

        timer = threading.Timer(OUTAGE_S, heal)
        timer.start()

        def resumed() -> None:
            moments.setdefault("resumed", time.monotonic())

        rig.uploader.between_acknowledgements = resumed
        run_until(rig, lambda: "resumed" in moments or rig.tally.acknowledged_bytes > before)
        timer.join()
        return notice_s, moments.get("resumed", time.monotonic()) - moments["healed"]


@contextmanager
def sending(
    server: Server, folder: Path, faults: LinkFaults, *, seed: int
) -> Iterator[tuple[Rig, FaultyLink]]:
    """A registered device with one package to send, and its link."""
    with FaultyLink(server.addresses["ingestion"], faults, seed=seed) as link:
        others = (server.addresses["drift"], server.addresses["distribution"])
        rig = Rig(link.address, folder, SystemClock(), others=others)
        try:
            rig.outbox.put([package(seed, content=os.urandom(PACKAGE_BYTES))])
            yield rig, link
        finally:
            rig.close()


def run_until(rig: Rig, is_over: Callable[[], bool]) -> None:
    """Rounds as the daemon does them."""
    deadline_s = time.monotonic() + LIMIT_S
    while True:
        wait_s = rig.session.round()
        if is_over():
            return
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"not over after {LIMIT_S} s: {rig.tally}")
        time.sleep(wait_s)


def measure(server: Server, folder: Path, repetitions: int) -> dict[str, list[float]]:
    """Every value of every figure."""
    found: dict[str, list[float]] = {
        key: [] for key in ("wire_ratio_cut_1mib", "wire_ratio_cut_4mib", "notice_s", "resume_s")
    }
    for number in range(1, repetitions + 1):
        for seed, (key, mean_bytes) in enumerate(
            (("wire_ratio_cut_1mib", MIB), ("wire_ratio_cut_4mib", 4 * MIB)), start=10 * number
        ):
            found[key].append(wire_ratio(server, folder / f"device-{seed}", mean_bytes, seed=seed))
            print(f"{number}/{repetitions} {key} {found[key][-1]:.3f}", flush=True)
        for seed, refused in enumerate((False, True), start=10 * number + 5):
            notice_s, resume_s = outage(server, folder / f"device-{seed}", refused=refused, seed=seed)
            found["notice_s"].append(notice_s)
            found["resume_s"].append(resume_s)
            print(f"{number}/{repetitions} noticed {notice_s:.1f} s, resumed {resume_s:.2f} s", flush=True)
    return found


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one repetition instead of three")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name) / "server", separate=False)
        server.start()
        try:
            found = measure(server, Path(name), 1 if quick else 3)
        finally:
            server.stop()
    figures = {key: round(statistics.median(values), 3) for key, values in found.items()}
    spread = {key: [round(min(values), 3), round(max(values), 3)] for key, values in found.items()}
    print(json.dumps({"name": "resume", "quick": quick, "figures": figures, "spread": spread}))


if __name__ == "__main__":
    main()

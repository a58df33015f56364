"""A device uploads over 64 kbit/s with 300 ms of delay, 5 % of loss and 20 s of silence each minute.

A real daemon and a real server process on hosts of their own, every packet through the rig's TUN relay (root). `ratio`
is the time from the first byte on the line to the receipt, over the time in which a sender that wastes nothing gets the
same bytes through the same line; `wire_ratio` is what the relay carried both ways, headers included, over the size.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rig.namespaces import lacking
from rig.quality import LinkQuality, Outages
from rig.tun import TunLine
from tests.reliability.links_field import SERVICES, FieldDevice, FieldServer

MIB = 1 << 20
WORST = LinkQuality(
    rate_bytes_per_s=8_000.0,
    delay_s=0.3,
    jitter_s=0.03,
    loss_share=0.05,
    outages=Outages(every_s=60.0, length_s=20.0),
)
SHORT = LinkQuality(
    rate_bytes_per_s=32_000.0,
    delay_s=0.15,
    jitter_s=0.03,
    loss_share=0.05,
    outages=Outages(every_s=12.0, length_s=4.0),
)
SIZE_BYTES, SHORT_SIZE_BYTES = 2 * MIB, 200_000
PATIENCE = 12  # times the ideal
LOOK_S = 0.25
REPORT_S = 15.0


@dataclass(slots=True)
class LinksTally:
    """What was counted."""

    arrived: int = 0
    lost: int = 0
    doubled: int = 0
    breaks: int = 0
    ratios: list[float] = field(default_factory=list)
    wire_ratios: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def upload(tally: LinksTally, folder: Path, quality: LinkQuality, size_bytes: int, *, seed: int) -> None:
    """One package over one line."""
    with TunLine(SERVICES, seed=seed) as line:
        server = FieldServer(line, folder / "server")
        try:
            device = FieldDevice(line, folder / "device", [os.urandom(size_bytes)])
            line.shape(quality)
            before, began_s = line.counts, time.monotonic()
            with device.running():
                _watch(device, began_s + PATIENCE * quality.ideal_s(size_bytes))
            took_s = time.monotonic() - began_s
            carried_bytes = line.counts.carried_bytes - before.carried_bytes
            line.shape(LinkQuality())
            held = server.digests(device.device_id)
        finally:
            server.stop()
    tally.arrived += held == device.digests
    tally.lost += not held & device.digests
    tally.doubled += sum(held.values()) > 1
    tally.breaks += device.break_count()
    tally.seconds.append(took_s)
    tally.ratios.append(took_s / quality.ideal_s(size_bytes))
    tally.wire_ratios.append(carried_bytes / size_bytes)


def _watch(device: FieldDevice, until_s: float) -> None:
    """Waits for the receipt, and says now and then how far it has come."""
    began_s = reported_s = time.monotonic()
    while device.waiting_count() and time.monotonic() < until_s:
        time.sleep(LOOK_S)
        if time.monotonic() - reported_s > REPORT_S:
            reported_s = time.monotonic()
            print(f"{reported_s - began_s:5.0f} s: {device.acknowledged_bytes():,} bytes", flush=True)


def _figures(tally: LinksTally, uploads: int, ideal_s: float) -> dict[str, float]:
    return {
        "uploads": uploads,
        "arrived": tally.arrived,
        "lost": tally.lost,
        "doubled": tally.doubled,
        "breaks": tally.breaks,
        "ideal_s": round(ideal_s, 1),
        "seconds": round(statistics.median(tally.seconds), 1),
        "ratio": round(statistics.median(tally.ratios), 3),
        "wire_ratio": round(statistics.median(tally.wire_ratios), 3),
    }


def main() -> int:
    """Entry point; 1 when a package was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="200 kB over 256 kbit/s, 150 ms, 5 %%, 4 s of each 12 s"
    )
    parser.add_argument("--count", type=int, default=1, help="uploads, one after the other (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="what is lost, and how delays vary")
    options = parser.parse_args()
    if lacking():
        sys.exit(f"this needs {lacking()}")
    quality, size_bytes = (SHORT, SHORT_SIZE_BYTES) if options.quick else (WORST, SIZE_BYTES)
    tally = LinksTally()
    with tempfile.TemporaryDirectory() as name:
        for number in range(options.count):
            folder = Path(name) / str(number)
            upload(tally, folder, quality, size_bytes, seed=options.seed + number)
            print(
                f"{number + 1}/{options.count}: {tally.seconds[-1]:.0f} s, {tally.breaks} breaks", flush=True
            )
    figures = _figures(tally, options.count, quality.ideal_s(size_bytes))
    spread = {key: [round(min(of), 3), round(max(of), 3)] for key, of in (("ratio", tally.ratios),)}
    print(json.dumps({"name": "links", "quick": options.quick, "figures": figures, "spread": spread}))
    return int(tally.arrived < options.count or tally.lost > 0 or tally.doubled > 0)


if __name__ == "__main__":
    sys.exit(main())

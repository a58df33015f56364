"""A device downloads a bundle over a link that delays, jitters, loses and falls silent, and is killed half way.

The real downloader and a real server process on hosts of their own, every packet through the rig's TUN relay (root).
`ratio` is the time from the first start to the whole file, over the time in which a sender that wastes nothing gets the
same bytes through the same line; `wire_ratio` is what the relay carried both ways over the size; `begun_anew` counts
attempts that threw away what was there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import grpc

from rig.line import Line
from rig.namespaces import lacking
from rig.quality import LinkQuality
from rig.tun import TunLine
from tests.reliability.links import MIB, PATIENCE, SHORT, WORST
from tests.support.server_process import ServerProcess
from tests.tinysphere.distribution.builders import KEY, device_bundle, public_pem
from tests.tinysphere.distribution.called import publish_messages
from tinymlops.v1.model_service_pb2_grpc import ModelServiceStub

SERVICE = "distribution"
PADDING_BYTES, SHORT_PADDING_BYTES = (
    int(1.5 * MIB),
    100_000,
)  # the rest of the bundle is some 60 kB
PUBLISH_TIMEOUT_S = 240
LOOK_S = 0.05


@dataclass(slots=True)
class DownloadTally:
    """What was counted."""

    arrived: int = 0
    damaged: int = 0
    kills: int = 0
    attempts: int = 0
    begun_anew: int = 0
    size_bytes: int = 0
    seconds: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    wire_ratios: list[float] = field(default_factory=list)

    def take_attempts(self, begins: list[int]) -> None:
        """Takes where the attempts of one download began."""
        self.attempts += len(begins)
        self.begun_anew += sum(later < earlier for earlier, later in pairwise(begins))

    def figures(self, downloads: int) -> dict[str, float]:
        """The numbers."""
        return {
            "downloads": downloads,
            "arrived": self.arrived,
            "damaged": self.damaged,
            "kills": self.kills,
            "attempts": self.attempts,
            "begun_anew": self.begun_anew,
            "mib": round(self.size_bytes / MIB, 2),
            "seconds": round(statistics.median(self.seconds), 1),
            "ratio": round(statistics.median(self.ratios), 3),
            "wire_ratio": round(statistics.median(self.wire_ratios), 3),
        }


def download(
    tally: DownloadTally, folder: Path, quality: LinkQuality, padding_bytes: int, *, seed: int
) -> None:
    """One bundle over one line."""
    content = device_bundle(folder, padding_bytes=padding_bytes)
    with TunLine([SERVICE], seed=seed) as line:
        server = _serving(line, folder, content)
        try:
            line.shape(quality)
            before, began_s = line.counts, time.monotonic()
            path = folder / "part"
            limit_s = PATIENCE * quality.ideal_s(len(content))
            tally.take_attempts(_fetch(tally, line, content, path, began_s + limit_s))
            took_s = time.monotonic() - began_s
            carried_bytes = line.counts.carried_bytes - before.carried_bytes
            line.shape(LinkQuality())
        finally:
            server.stop()
    is_whole = path.read_bytes() == content
    tally.arrived += is_whole
    tally.damaged += not is_whole
    tally.size_bytes += len(content)
    tally.seconds.append(took_s)
    tally.ratios.append(took_s / quality.ideal_s(len(content)))
    tally.wire_ratios.append(carried_bytes / len(content))


def _serving(line: Line, folder: Path, content: bytes) -> ServerProcess:
    """A server that holds the bundle."""
    key = folder / "release.pem"
    key.write_bytes(public_pem(KEY))
    route = line.routes[SERVICE]
    settings = {"distribution_address": route.listen, "trusted_keys": json.dumps([str(key)])}
    server = ServerProcess(folder / "server", SERVICE, settings=settings, prefix=line.server_prefix)
    with grpc.insecure_channel(route.beside) as channel:
        ModelServiceStub(channel).PublishModelVersion(
            iter(publish_messages(content)), timeout=PUBLISH_TIMEOUT_S, wait_for_ready=True
        )
    return server


def _fetch(tally: DownloadTally, line: Line, content: bytes, path: Path, until_s: float) -> list[int]:
    """Runs the device, kills it once half way, and runs it again; where its attempts began."""
    arguments = [
        line.routes[SERVICE].target,
        hashlib.sha256(content).hexdigest(),
        str(len(content)),
        str(path),
    ]
    command = [*line.device_prefix, sys.executable, "-m", "tests.reliability.links_fetch", *arguments]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while first.poll() is None and time.monotonic() < until_s:
        if path.exists() and path.stat().st_size > len(content) // 2:
            break
        time.sleep(LOOK_S)
    tally.kills += first.poll() is None
    first.kill()
    begins = first.communicate()[0]
    left_s = max(until_s - time.monotonic(), 1.0)
    second = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=left_s)
    return [int(line) for line in (begins + second.stdout).split()]


def main() -> int:
    """Entry point; 1 when a file did not arrive whole, or an attempt began anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a smaller one over 256 kbit/s, 4 s silent of each 12 s"
    )
    parser.add_argument("--count", type=int, default=1, help="downloads, one after the other (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="what is lost, and how delays vary")
    options = parser.parse_args()
    if lacking():
        sys.exit(f"this needs {lacking()}")
    quality, padding_bytes = (SHORT, SHORT_PADDING_BYTES) if options.quick else (WORST, PADDING_BYTES)
    tally = DownloadTally()
    for number in range(options.count):
        with tempfile.TemporaryDirectory() as name:
            download(tally, Path(name), quality, padding_bytes, seed=options.seed + number)
        print(
            f"{number + 1}/{options.count}: {tally.seconds[-1]:.0f} s, {tally.attempts} attempts", flush=True
        )
    figures = tally.figures(options.count)
    spread = {"ratio": [round(min(tally.ratios), 3), round(max(tally.ratios), 3)]}
    print(
        json.dumps({"name": "links_download", "quick": options.quick, "figures": figures, "spread": spread})
    )
    return int(tally.arrived < options.count or tally.begun_anew > 0)


if __name__ == "__main__":
    sys.exit(main())

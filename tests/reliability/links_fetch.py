"""The device's end of `tests.reliability.links_download`: its real downloader, in a process to be killed.

`python -m tests.reliability.links_fetch TARGET SHA256 SIZE_BYTES PATH` prints where each attempt begins, one number a
line, and ends with status 0 when the file is whole.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from tests.reliability.uploads_device import NOBODY
from tinylcm.settings import ServerSettings
from tinylcm.sync.backoff import Backoff
from tinylcm.sync.client import Servers
from tinylcm.sync.download import Downloader
from tinylcm.sync.failures import CallError
from tinylcm.sync.pace import Pace

_LONGEST_WAIT_S = 2.0


def main(target: str, sha256: str, size_bytes: int, path: Path) -> None:
    """Tries until it has all."""
    settings = ServerSettings(
        ingestion_target=NOBODY,
        drift_target=NOBODY,
        distribution_target=target,
        request_timeout_s=20.0,
        stall_timeout_s=60.0,
        retry_max_s=_LONGEST_WAIT_S,
        max_bytes_per_s=0.0,
    )
    backoff = Backoff(most_s=settings.retry_max_s, rng=random.Random())
    with Servers(settings) as servers:
        downloader = Downloader(
            servers.rollouts,
            stall_timeout_s=settings.stall_timeout_s,
            pace=Pace(0, monotonic_s=time.monotonic),
        )
        while True:
            print(path.stat().st_size if path.exists() else 0, flush=True)
            try:
                downloader.fetch(sha256, size_bytes, path)
                return
            except CallError as error:
                print(error, file=sys.stderr, flush=True)
                time.sleep(backoff.next_wait_s())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))

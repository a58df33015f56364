"""Kills both ends of uploads, cuts their link, and counts: `python -m tests.reliability.uploads [--uploads 500]`.

Every upload of 10 KiB to 20 MiB is cut at a random offset; `kill -9` hits the real server process and the device's real
sending side at random moments, while they start too. Afterwards every package the device had promised to keep must be
at the server, with its own bytes and processed, and have taken effect once. The last line is one JSON object; the
status is 1 when a promise was broken, and stderr says which.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.reliability.uploads_counts import UploadPlan
from tests.reliability.uploads_run import run_uploads
from tests.reliability.uploads_stores import SQLITE, STORES, open_stores


def main(arguments: list[str] | None = None) -> int:
    """Runs, and tells."""
    parser = argparse.ArgumentParser(
        prog="tests.reliability.uploads", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--server-kills", type=int, default=200)
    parser.add_argument("--device-kills", type=int, default=200)
    parser.add_argument("--most-bytes", type=int, default=20 << 20, help="of one package (default: 20 MiB)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="hand out nothing after so long")
    parser.add_argument("--store", choices=STORES, default=SQLITE)
    parser.add_argument(
        "--power", action="store_true", help="every kill also loses what the killed end did not sync"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    plan = UploadPlan(
        uploads=options.uploads,
        server_kills=options.server_kills,
        device_kills=options.device_kills,
        most_s=options.minutes * 60,
        is_power_lost=options.power,
        most_bytes=options.most_bytes,
        seed=options.seed,
    )
    with tempfile.TemporaryDirectory(prefix="tinymlops-uploads-") as folder:
        data_dir = Path(folder) / "server"
        with open_stores(options.store, data_dir) as stores:
            counts = run_uploads(plan, stores, Path(folder), _say)

    for fault in counts.faults:
        print(f"broken: {fault}", file=sys.stderr)
    told = {
        "name": "reliability.uploads",
        "quick": counts.attempts < parser.get_default("uploads"),
        "store": options.store,
        "figures": counts.figures(),
        "spread": {},
    }
    print(json.dumps(told))
    return 1 if counts.faults else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Hits every named crash point of a transfer, on both sides: `python -m tests.reliability.transfer_crashes`.

A point is a moment before or after an fsync, rename, link, unlink or commit, or an answer sent or received, named by
the functions that came by (see `transfer_moments`). Each is hit three times: by `kill -9`, by a power cut that takes
away everything unsynced, and by one that takes a part of it. Then what had been acknowledged must be there, and the
story must go on to the same end. The last line is one JSON object; the status is 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from tests.reliability.transfer_crashes_device import run_device_crashes
from tests.reliability.transfer_crashes_server import run_server_crashes
from tests.reliability.transfer_tally import Choice

SERVER, DEVICE = "server", "device"


def main(arguments: list[str] | None = None) -> int:
    """Runs, and tells."""
    parser = argparse.ArgumentParser(
        prog="tests.reliability.transfer_crashes", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--most", type=int, help="points on each side, evenly spread (default: all)")
    parser.add_argument("--part", type=_part, default=(1, 1), help="e.g. 2/3: the second of three parts")
    parser.add_argument("--side", choices=(SERVER, DEVICE), help="only this one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print the names of all points, too")
    options = parser.parse_args(arguments)
    choice = Choice(most=options.most, part=options.part)
    runs = {SERVER: run_server_crashes, DEVICE: run_device_crashes}
    figures: dict[str, int] = {}
    faults = []
    for side, run in runs.items():
        if options.side in (None, side):
            with tempfile.TemporaryDirectory(prefix="tinymlops-crashes-") as folder:
                tally = run(Path(folder), choice, random.Random(options.seed), _say)
            figures |= {f"{side}_{name}": count for name, count in tally.figures().items()}
            faults += [f"{side}: {fault}" for fault in tally.faults]
            if options.list:
                print("\n".join(f"{side}: {point}" for point in tally.points))
    for fault in faults:
        print(f"broken: {fault}", file=sys.stderr)
    told = {"name": "reliability.transfer_crashes", "quick": choice != Choice(), "figures": figures}
    print(json.dumps(told | {"spread": {}}))
    return 1 if faults else 0


def _part(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not 1 <= int(number) <= int(count):
        raise ValueError(f"expected a part such as 2/3, got {text}")
    return int(number), int(count)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

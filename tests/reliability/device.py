"""Tries to break a device, and counts: `python -m tests.reliability.device [--count N] [--seed S]`.

Four parts, see docs/reliability.md. ``--count`` is the number of `kill -9`; 200, the default, goes with 1,000 bit
flips, every crash point and 10,000 frames, and other counts scale all of them. The last line is one JSON object; the
status is 1 when a promise was broken, and stderr says which.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from statistics import median

from tests.reliability.device_crashes import run_crashes
from tests.reliability.device_flips import run_flips
from tests.reliability.device_garbage import FRAME_COUNT, run_garbage
from tests.reliability.device_kills import run_kills

FULL_COUNT, FULL_FLIPS = 200, 1000
_CRASH_POINTS_A_KILL = 0.5
_FLIPS_A_KILL = 10


def main(arguments: list[str] | None = None) -> int:
    """Runs all four; forks come before the server's threads."""
    parser = argparse.ArgumentParser(
        prog="tests.reliability.device", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--count", type=int, default=FULL_COUNT, help=f"kills (default: {FULL_COUNT})")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    is_quick = options.count < FULL_COUNT
    flip_count = FULL_FLIPS if not is_quick else _FLIPS_A_KILL * options.count
    crash_count = max(int(options.count * _CRASH_POINTS_A_KILL), 1) if is_quick else None
    frame_count = 1000 if is_quick else FRAME_COUNT
    logging.getLogger().addHandler(logging.NullHandler())

    flips = run_flips(flip_count, options.seed, _say)
    crashes = run_crashes(crash_count, _say)
    garbage = run_garbage(frame_count, options.seed, _say)
    kills = run_kills(options.count, options.seed, _say)

    faults = [*flips.faults, *crashes.faults, *garbage.faults, *kills.faults]
    figures = {
        "kills": kills.kills,
        "kills_while_starting": kills.early_kills,
        "adaptations_committed": kills.adaptations,
        "feedback_answered": kills.answers,
        "packages": kills.packages,
        "crash_points": len(crashes.points),
        "cuts": crashes.cuts,
        "flips": flips.flips,
        "truncations": flips.truncations,
        "noticed": sum(flips.noticed.values()),
        "idle": sum(flips.idle.values()),
        "undetected": len(flips.faults),
        "failed_starts": kills.failed_starts + crashes.failed_starts + flips.failed_starts,
        "broken_promises": len(faults),
        "garbage_frames": garbage.garbage,
        "frames": garbage.frames,
        "garbage_growth_mib": round(garbage.growth_mib, 2),
        "start_s": round(median(kills.start_seconds), 3),
    }
    spread = {"start_s": [round(min(kills.start_seconds), 3), round(max(kills.start_seconds), 3)]}
    for fault in faults:
        print(f"broken: {fault}", file=sys.stderr)
    print(json.dumps({"name": "reliability.device", "quick": is_quick, "figures": figures, "spread": spread}))
    return 1 if faults else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

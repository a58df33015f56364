"""Compares uploads with a model, random step by random step: `python -m tests.reliability.transfer_states`.

Upload, cut, kill, resume, cancel, expire and take over, in any order, against a real server process behind a link that
is cut. The last line is one JSON object; the status is 1 when server and model said different things.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test

from tests.reliability.transfer_machine import UploadMachine
from tests.reliability.transfer_world import World, open_world

FULL_RUNS, FULL_STEPS = 1000, 50
_BATCH_RUNS = 10


def check(world: World, *, runs: int, steps: int, seed: int) -> None:
    """Takes ``runs`` times so many steps.

    Raises:
        DivergenceError: With the shortest way there that was found.
    """

    def machine() -> UploadMachine:
        return UploadMachine(world)

    settings = hypothesis.settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=settings)  # type: ignore[no-untyped-call]


def main(arguments: list[str] | None = None) -> int:
    """Runs, and tells."""
    parser = argparse.ArgumentParser(
        prog="tests.reliability.transfer_states", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--runs", type=int, default=FULL_RUNS)
    parser.add_argument("--steps", type=int, default=FULL_STEPS)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing after so long")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    divergences: list[str] = []
    with tempfile.TemporaryDirectory(prefix="tinymlops-states-") as folder, open_world(Path(folder)) as world:
        started_s = time.monotonic()
        for begin in range(0, options.runs, _BATCH_RUNS):
            if time.monotonic() - started_s > options.minutes * 60:
                break
            runs = min(_BATCH_RUNS, options.runs - begin)
            try:
                check(world, runs=runs, steps=options.steps, seed=options.seed + begin)
            except Exception as error:
                divergences.append(f"{error!r} {getattr(error, '__notes__', '')}")
            passed_s = time.monotonic() - started_s
            print(
                f"{begin + runs} runs in {passed_s:.0f} s: {dict(world.counts)}", file=sys.stderr, flush=True
            )
        figures = {name: world.counts[name] for name in ("runs", "steps", "kills", "cuts")}
    for divergence in divergences:
        print(f"broken: {divergence}", file=sys.stderr)
    figures["divergences"] = len(divergences)
    quick = figures["runs"] < FULL_RUNS
    print(
        json.dumps({"name": "reliability.transfer_states", "quick": quick, "figures": figures, "spread": {}})
    )
    return 1 if divergences else 0


if __name__ == "__main__":
    sys.exit(main())

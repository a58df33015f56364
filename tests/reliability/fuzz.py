"""Sends hostile requests to every method of the contract, and counts: `python -m tests.reliability.fuzz`.

A real `tinysphere serve all` gets random bytes, damaged and changed requests, drawn ones with NaN, huge values and
unknown enums, streams in a wrong order and broken off. The last line is one JSON object; the status is 1 when a promise
was broken.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from statistics import median

from demo.server import Server
from tests.e2e.inventory import inventory
from tests.e2e.world import build_world
from tests.reliability.fuzz_run import FuzzTally, send_all
from tests.support.contract import methods
from tests.support.memory import growth, open_file_count, sampled_memory, thread_count
from tests.support.waiting import eventually

FULL_REQUESTS, THREADS = 100_000, 6
MEMORY_SHARE, MEMORY_MIB = 0.1, 16.0  # of the median, and on top of that: what "flat" means
MOST_MORE = 64  # threads and open files beyond those before the first request


@dataclass(slots=True, kw_only=True)
class FuzzRun:
    """What a run found."""

    tally: FuzzTally
    memory_mib: Sequence[float]
    more_threads: int
    more_files: int
    took_s: float
    faults: list[str] = field(default_factory=list)

    @property
    def growth_mib(self) -> float:
        """Of resident memory, once settled."""
        return growth(self.memory_mib)


def run_fuzz(folder: Path, requests: int, threads: int, seed: int, *, minutes: float = inf) -> FuzzRun:
    """Sends, and looks at the server meanwhile and afterwards."""
    server = Server(folder, separate=False)
    server.start()
    (program,) = server.programs
    try:
        world = build_world(server)
        began_s, pid = time.monotonic(), program.pid
        threads_before, files_before = thread_count(pid), open_file_count(pid)
        with sampled_memory(pid) as memory_mib:
            tally = send_all(world, requests, threads, seed, began_s + 60 * minutes)
        run = FuzzRun(
            tally=tally,
            memory_mib=memory_mib,
            more_threads=_settled(lambda: thread_count(pid) - threads_before),
            more_files=_settled(lambda: open_file_count(pid) - files_before),
            took_s=time.monotonic() - began_s,
        )
        if not inventory(server)["devices"]:
            run.faults.append("the server has lost its devices")
        run.faults += tally.faults
        run.faults += [f"{method.full_name} was never called" for method in _uncalled(tally)]
    finally:
        status = _stopped(server)
    if status != 0:
        run.faults.append(f"asked to end, the server ended with {status}")
    is_long = run.tally.requests >= FULL_REQUESTS // 10
    run.faults += _judged(run, program.output(), is_long=is_long)
    return run


def _settled(more: Callable[[], int]) -> int:
    """How many more there are once the last calls have ended."""
    with suppress(AssertionError):  # the number says it
        eventually(lambda: more() <= MOST_MORE)
    return more()


def _uncalled(tally: FuzzTally) -> Sequence[object]:
    return [method for method in methods() if method.full_name not in tally.methods] if tally.requests else []


def _stopped(server: Server) -> int | None:
    """The exit status; minus nine when it had to be killed."""
    (program,) = server.programs
    server.stop()
    return program.exit_status


def _judged(run: FuzzRun, log: str, *, is_long: bool) -> list[str]:
    """Promises that were broken, beside those that single calls broke."""
    bound_mib = median(run.memory_mib) * MEMORY_SHARE + MEMORY_MIB
    faults = [f"the log: {log[max(at - 300, 0) : at + 1500]}" for at in _tracebacks(log)[:10]]
    if is_long and run.growth_mib > bound_mib:
        faults.append(f"memory grew by {run.growth_mib:.1f} MiB, more than {bound_mib:.1f} MiB")
    for name, more in (("threads", run.more_threads), ("open files", run.more_files)):
        if more > MOST_MORE:
            faults.append(f"{more} more {name} than before the first request")
    return faults


def _tracebacks(log: str) -> list[int]:
    return [at for at in range(len(log)) if log.startswith("Traceback (most recent", at)]


def figures_of(run: FuzzRun) -> dict[str, object]:
    """The counts, for people and programs."""
    codes: Counter[str] = run.tally.codes
    return {
        "requests": run.tally.requests,
        "methods": len(run.tally.methods),
        "codes": dict(codes.most_common()),
        "internal": codes["INTERNAL"],
        "unknown": codes["UNKNOWN"],
        "hangs": sum("hangs" in fault for fault in run.tally.faults),
        "broken_off": run.tally.broken_off,
        "connections_torn": run.tally.connections_torn,
        "faults": len(run.faults),
        "memory_mib": round(median(run.memory_mib), 1),
        "memory_most_mib": round(max(run.memory_mib), 1),
        "memory_growth_mib": round(run.growth_mib, 1),
        "more_threads": run.more_threads,
        "more_files": run.more_files,
        "took_s": round(run.took_s, 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, and tells."""
    parser = argparse.ArgumentParser(prog="tests.reliability.fuzz", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--requests", type=int, default=FULL_REQUESTS)
    parser.add_argument("--minutes", type=float, default=inf, help="end early, with the counts so far")
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tinymlops-fuzz-") as folder:
        run = run_fuzz(Path(folder), options.requests, options.threads, options.seed, minutes=options.minutes)
    for fault in run.faults[:50]:
        print(f"broken: {fault}", file=sys.stderr)
    quick = run.tally.requests < FULL_REQUESTS
    print(json.dumps({"name": "reliability.fuzz", "quick": quick, "figures": figures_of(run), "spread": {}}))
    return 1 if run.faults else 0


if __name__ == "__main__":
    sys.exit(main())

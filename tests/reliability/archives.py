"""Sends hostile archives to a real server, and counts: `python -m tests.reliability.archives`.

A fixed corpus first, each alone and timed, then generated ones. Each must be refused with a reason that fits or
processed rightly; nothing outside the server's folder may be touched, and nothing inside it grow beyond what is
stated here. The last line is one JSON object; the status is 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from pathlib import Path

from tests.reliability.archives_craft import PROCESSED, Crafted
from tests.reliability.archives_kinds import corpus, generated
from tests.reliability.archives_server import ArchiveServer
from tests.support.memory import resident_mib, sampled_memory

FULL_ARCHIVES = 10_000
MOST_S = 30.0  # from sending an archive to its end, alone; and for a batch of generated ones, twice that
MEMORY_MOST_MIB = 128.0  # beyond what the server holds before the first archive
DISK_SHARE, DISK_BYTES = 3, 64 * 1024 * 1024  # of what was sent, and on top of that: logs and tables
_BATCH = 25
_TOLD_EVERY = 500


@dataclass(slots=True, kw_only=True)
class ArchiveRun:
    """What was counted."""

    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    escapes: Sequence[str] = ()
    wrong: list[str] = field(default_factory=list)
    over_quota: list[str] = field(default_factory=list)
    tracebacks: int = 0
    sent_bytes: int = 0
    disk_bytes: int = 0
    slowest_s: float = 0.0
    memory_more_mib: float = 0.0

    @property
    def faults(self) -> list[str]:
        """Every broken promise."""
        told = [f"{self.tracebacks} tracebacks in the log"] if self.tracebacks else []
        return [*self.escapes, *self.wrong, *self.over_quota, *told]


def run_archives(
    folder: Path,
    count: int,
    seed: int,
    *,
    first: int = 0,
    corpus_count: int | None = None,
    minutes: float = inf,
) -> ArchiveRun:
    """The corpus, or the first of it, then ``count`` generated archives, fewer when the time is over."""
    deadline_s = time.monotonic() + 60 * minutes
    server, run = ArchiveServer(folder / "around"), ArchiveRun()
    with server.running(), sampled_memory(server.program.pid) as memory_mib:
        before_mib = resident_mib(server.program.pid) or 0.0
        sent: dict[str, Crafted] = {}
        for crafted in islice(corpus(server.around), corpus_count):
            _send(server, run, [crafted], sent)
        rest = generated(count, seed, server.around, first=first)
        while time.monotonic() < deadline_s and (batch := list(islice(rest, _BATCH))):
            _send(server, run, batch, sent)
            _tell(run, first)
        _judge(run, sent, server)
        run.disk_bytes = server.disk_bytes()
        server.program.require_running()
    run.memory_more_mib = max(memory_mib) - before_mib
    run.escapes = server.escapes()
    log = server.program.output()
    run.tracebacks = log.count("Traceback (most recent")
    if run.tracebacks:
        run.wrong.append(log[max(log.index("Traceback") - 300, 0) :][:2000])
    _judge_quota(run)
    return run


def _tell(run: ArchiveRun, first: int) -> None:
    sent = sum(run.kinds.values())
    if sent // _TOLD_EVERY != (sent - _BATCH) // _TOLD_EVERY:
        broken = len(run.wrong) + len(run.over_quota)
        print(f"from {first} on: {sent} archives, {broken} broken promises", file=sys.stderr, flush=True)


def _send(server: ArchiveServer, run: ArchiveRun, batch: Sequence[Crafted], sent: dict[str, Crafted]) -> None:
    """Sends and waits for the end; what was refused at once is judged at once."""
    began_s = time.monotonic()
    for crafted in batch:
        run.kinds[crafted.kind] += 1
        run.sent_bytes += len(crafted.content)
        if reason := server.put(crafted):
            _count(run, crafted, reason)
        else:
            sent[crafted.descriptor.package_id] = _without_content(crafted)
    try:
        server.wait_until_done(MOST_S if len(batch) == 1 else 2 * MOST_S)
    except AssertionError:
        run.over_quota.append(f"time: not done: {Counter(one.kind for one in batch)}")
    if len(batch) == 1:
        run.slowest_s = max(run.slowest_s, time.monotonic() - began_s)


def _without_content(crafted: Crafted) -> Crafted:
    return Crafted(
        number=crafted.number,
        kind=crafted.kind,
        descriptor=crafted.descriptor,
        content=b"",
        allowed=crafted.allowed,
        keeps_line=crafted.keeps_line,
    )


def _count(run: ArchiveRun, crafted: Crafted, outcome: str) -> None:
    run.outcomes[outcome] += 1
    if outcome not in crafted.allowed:
        run.wrong.append(f"{crafted.kind} {crafted.number}: {outcome}, not of {sorted(crafted.allowed)}")


def _judge(run: ArchiveRun, sent: dict[str, Crafted], server: ArchiveServer) -> None:
    """What became of each archive, and that the lines of those that were processed are there once, no others."""
    outcomes = server.outcomes()
    processed, loose = set(), set()
    for package_id, crafted in sent.items():
        outcome = outcomes.get(package_id, "LOST")
        _count(run, crafted, outcome)
        if not crafted.keeps_line:
            loose.add(f"archive {crafted.number}")
        elif outcome == PROCESSED:
            processed.add(f"archive {crafted.number}")
    run.wrong += _differences(processed, loose, server.lines(), run)


def _differences(processed: set[str], loose: set[str], lines: Iterable[str], run: ArchiveRun) -> list[str]:
    """Lines that are missing, doubled, or of an archive that was refused; damaged records leave any others."""
    seen = Counter(lines)
    damaged = run.kinds["damaged_records"]
    missing = [f"lost: {line}" for line in processed if not seen[line]]
    doubled = [f"doubled: {line}" for line in processed if seen[line] > 1]
    strange = [line for line in seen if line not in processed | loose]
    if len(strange) > damaged:
        return [*missing, *doubled, *(f"of no processed archive: {line!r}" for line in strange)]
    return [*missing, *doubled]


def _judge_quota(run: ArchiveRun) -> None:
    if run.memory_more_mib > MEMORY_MOST_MIB:
        run.over_quota.append(f"memory: {run.memory_more_mib:.1f} MiB more, at most {MEMORY_MOST_MIB}")
    most = run.sent_bytes * DISK_SHARE + DISK_BYTES
    if run.disk_bytes > most:
        run.over_quota.append(f"disk: {run.disk_bytes} bytes, at most {most}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, and tells."""
    parser = argparse.ArgumentParser(
        prog="tests.reliability.archives", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--archives", type=int, default=FULL_ARCHIVES, help="beside the corpus")
    parser.add_argument("--first", type=int, default=0, help="go on at this one, without the corpus")
    parser.add_argument("--minutes", type=float, default=inf, help="end early, with the counts so far")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tinymlops-archives-") as folder:
        run = run_archives(
            Path(folder),
            options.archives,
            options.seed,
            first=options.first,
            corpus_count=0 if options.first else None,
            minutes=options.minutes,
        )
    for fault in run.faults[:50]:
        print(f"broken: {fault}", file=sys.stderr)
    figures = {
        "archives": sum(run.outcomes.values()),
        "kinds": len(run.kinds),
        "outcomes": dict(run.outcomes.most_common()),
        "escapes": len(run.escapes),
        "wrong": len(run.wrong),
        "over_quota": len(run.over_quota),
        "tracebacks": run.tracebacks,
        "slowest_s": round(run.slowest_s, 2),
        "memory_more_mib": round(run.memory_more_mib, 1),
        "sent_mib": round(run.sent_bytes / 2**20, 1),
        "disk_mib": round(run.disk_bytes / 2**20, 1),
    }
    quick = sum(run.outcomes.values()) < FULL_ARCHIVES
    print(json.dumps({"name": "reliability.archives", "quick": quick, "figures": figures, "spread": {}}))
    return 1 if run.faults else 0


if __name__ == "__main__":
    sys.exit(main())

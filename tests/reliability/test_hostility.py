"""Small sizes of the programs that send hostile input; their long runs are in docs/reliability.md."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.reliability.archives import run_archives
from tests.reliability.archives_kinds import KINDS
from tests.reliability.fuzz import run_fuzz
from tests.support.contract import methods


def test_hostile_requests_break_no_promise(tmp_path: Path) -> None:
    run = run_fuzz(tmp_path, requests=600, threads=4, seed=7)
    assert run.faults == []
    assert run.tally.requests == 600
    assert len(run.tally.methods) == len(methods())
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND"} <= set(run.tally.codes)


def test_hostile_archives_are_refused_or_right(tmp_path: Path) -> None:
    run = run_archives(tmp_path, count=3 * len(KINDS), seed=7, corpus_count=0)
    assert run.faults == []
    assert sum(run.outcomes.values()) == 3 * len(KINDS)
    assert set(run.kinds) == set(KINDS)
    assert {"PROCESSED", "ARCHIVE_BOMB", "ARCHIVE_CORRUPT", "ARCHIVE_FORBIDDEN_MEMBER"} <= set(run.outcomes)


def test_the_watch_sees_an_escape(tmp_path: Path) -> None:
    """Each way out is told of, by its absolute path, a relative one or a link; what is inside is not."""
    program = """
import os, sys
from tests.reliability.archives_watch import watch
watch(os.open("report", os.O_WRONLY | os.O_CREAT), os.path.realpath("private"))
os.mkdir("private/folder")
open("private/good", "w").close()
os.symlink(os.path.abspath("."), "private/way")
open("private/../relative", "w").close()
open("private/way/through-a-link", "w").close()
os.mkdir(os.path.abspath("absolute"))
open("/etc/passwd").close()
"""
    (tmp_path / "private").mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    subprocess.run([sys.executable, "-B", "-c", program], cwd=tmp_path, env=environment, check=True)
    told = (tmp_path / "report").read_text()
    for name in ("relative", "through-a-link", "absolute", "/etc/passwd"):
        assert name in told
    assert "good" not in told
    assert "folder" not in told

"""Work done in a forked child, which may end like a device without power; its answer comes back as JSON."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

CUT = 137


def in_child(work: Callable[[], Any], answer: Path) -> tuple[int, Any]:
    """Forks, lets the child do ``work``, and returns its exit status and what it answered.

    Status 0: it came to its end; `CUT`: it was cut; 1: an exception, whose traceback is the answer. For processes
    without other threads.
    """
    answer.unlink(missing_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            answer.write_text(json.dumps(work()), encoding="utf-8")
            status = 0
        except BaseException:
            answer.write_text(json.dumps(traceback.format_exc()), encoding="utf-8")
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    told = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else None
    return os.waitstatus_to_exitcode(status), told

"""How far the package under way has come: noted by the daemon, read by `tinylcm status`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinylcm.ports import Clock
from tinylcm.sync.tally import Progress

_EVERY_S = 1.0


class TransferNote:
    """A small file that says what the server has acknowledged of one package, written once a second at most.

    It is not synced: after a power cut an older one, or none, is true as well, since what was acknowledged stays so.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._package_id = ""
        self._noted_s = 0.0

    def take(self, progress: Progress) -> None:
        """Notes the progress of a package, if it is another one or some time has passed."""
        now_s = self._clock.monotonic_s()
        if progress.package_id == self._package_id and now_s - self._noted_s < _EVERY_S:
            return
        self._package_id, self._noted_s = progress.package_id, now_s
        aside = self._path.with_name(f".{self._path.name}.part")
        try:
            aside.write_text(json.dumps({**asdict(progress), "time": self._clock.now().isoformat()}))
            aside.replace(self._path)
        except OSError:  # e.g. a full disk, which must not keep a package from leaving
            aside.unlink(missing_ok=True)


def read_transfer(path: Path) -> dict[str, Any] | None:
    """Returns the last note, or None when there is none or it makes no sense."""
    try:
        note = json.loads(path.read_text())
        return {**note, "acknowledged_share": round(note["acknowledged_bytes"] / note["size_bytes"], 4)}
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None

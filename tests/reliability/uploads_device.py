"""The device of `tests.reliability.uploads`: its real outbox and its real sending side, in a process to be killed.

`python -m tests.reliability.uploads_device FOLDER INGESTION DRIFT`. Packages are handed to it as files in
``FOLDER/spool``, named by their ids. One is taken into the outbox, noted in ``FOLDER/promised`` once the outbox
promised to keep it, and its file removed once the outbox is empty again. It ends when ``FOLDER/spool/end`` is there.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.tinylcm.sync.conftest import Rig
from tinylcm.adapters.clock import SystemClock
from tinylcm.ports import NewPackage, OutgoingPackage, Priority

SUFFIX = ".package"
NOBODY = "127.0.0.1:1"
_LOOK_EVERY_S = 0.01
_LONGEST_WAIT_S = 0.5


def main(home: str, ingestion_address: str, drift_address: str) -> None:
    """Sends what is handed to it, until nothing more comes."""
    folder = Path(home)
    rig = Rig(ingestion_address, folder, SystemClock(), others=(drift_address, NOBODY))
    spool, promised = folder / "spool", folder / "promised"
    rig.session.round()
    while True:
        _send_all(rig)
        path = min(spool.glob(f"*{SUFFIX}"), default=None)
        if path is None:
            if (spool / "end").exists():
                rig.close()
                return
            time.sleep(_LOOK_EVERY_S)
        elif path.stem in promised.read_text(encoding="utf-8").split():
            path.unlink()
        else:
            rig.outbox.put([_package(path)])
            _note(promised, path.stem)


def _send_all(rig: Rig) -> None:
    while rig.outbox.totals().package_count:
        wait_s = rig.session.round()
        if rig.outbox.totals().package_count:
            time.sleep(min(wait_s, _LONGEST_WAIT_S))


def _package(path: Path) -> NewPackage:
    content = path.read_bytes()
    package = OutgoingPackage(
        package_id=path.stem,
        priority=Priority.SAMPLES,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        create_time=datetime.now(UTC),
    )
    return NewPackage(package=package, content=content)


def _note(promised: Path, package_id: str) -> None:
    with promised.open("a", encoding="utf-8") as file:
        file.write(f"{package_id}\n")
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])

"""The ingestion service in a process that starts in a moment, on a disk that may lose what was not synced."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.reliability.transfer_disk import LosingDisk, build_recorder
from tests.reliability.transfer_forks import Nursery

_PRELOADED = (
    "tinysphere.bootstrap.ingestion",
    "tinysphere.bootstrap.drift",
    "alembic.runtime.migration",
    "tests.reliability.transfer_server",
)
SETTINGS: dict[str, object] = {
    "ingestion_address": "127.0.0.1:0",
    "drift_target": "127.0.0.1:1",
    "disk_floor_bytes": 1,
    "upload_chunk_bytes": 16 << 10,
    "upload_commit_bytes": 64 << 10,
    "worker_lease_s": 1,
    "sweep_interval_s": 0.2,
    "stop_grace_s": 1,
}


class QuickServer:
    """Killed and started again within a second; ``disk`` is its data folder when that may lose things."""

    def __init__(self, nursery: Nursery, data_dir: Path, disk: LosingDisk | None) -> None:
        self._nursery = nursery
        self.data_dir = data_dir
        self.disk = disk

    def start(self, *, cut_at: str = "", **settings: object) -> str | None:
        """Starts it; returns its address, or None when it was cut before it was ready."""
        facts = SETTINGS | {"data_dir": str(self.data_dir)} | settings
        self._nursery.start("tests.reliability.transfer_server:serve", facts, cut_at=cut_at)
        line = self._nursery.line()
        if line.startswith("serving "):
            return line.split()[3]
        if line != "ended -9":
            raise RuntimeError(f"the server did not start: {line}\n{self.last_words()}")
        return None

    def kill(self) -> int:
        """`kill -9`; the status is another one when it had ended by itself."""
        return self._nursery.kill()

    def ended(self) -> int:
        """Waits for its end."""
        return self._nursery.ended()

    def moments(self) -> list[str]:
        """See `Nursery.moments`."""
        return self._nursery.moments()

    def forget_moments(self) -> None:
        """See `Nursery.forget_moments`."""
        self._nursery.forget_moments()

    def dies_by_itself(self, timeout_s: float) -> bool:
        """Whether a point kills it within that time; it is killed when none does."""
        died = self._nursery.dies_within(timeout_s)
        self._nursery.kill()
        return died

    def last_words(self) -> str:
        """The end of its log."""
        return self._nursery.log.read_text(encoding="utf-8", errors="replace")[-2000:]


@contextmanager
def quick_server(folder: Path, *, is_losing: bool = False) -> Iterator[QuickServer]:
    """A server that can be started; its data is in ``folder/data``."""
    data_dir = folder / "data"
    data_dir.mkdir()
    disk = LosingDisk(data_dir, folder / "synced", build_recorder(folder)) if is_losing else None
    environment = disk.environment if disk else {}
    with Nursery(_PRELOADED, package="tinysphere", folder=folder, environment=environment) as nursery:
        yield QuickServer(nursery, data_dir, disk)


def serve(settings: dict[str, object]) -> None:
    """What a child does; ``clock_file`` holds how many seconds its clock is ahead."""
    from tinysphere.bootstrap import Services
    from tinysphere.settings import Settings

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    clock = ShiftedClock(str(settings.pop("clock_file", "")))
    services = Services(Settings(**settings), {"ingestion"}, clock=clock)  # type: ignore[arg-type]  # checked there
    for name, address in services.start().items():
        print(f"serving {name} on {address}", flush=True)
    threading.Event().wait()


class ShiftedClock:
    """The machine's clock, ahead by what stands in a file."""

    def __init__(self, file: str) -> None:
        self._file = file

    def now(self) -> datetime:
        """See `tinysphere.domain.clock.Clock`."""
        shift_s = float(Path(self._file).read_text(encoding="utf-8")) if self._file else 0.0
        return datetime.now(UTC) + timedelta(seconds=shift_s)

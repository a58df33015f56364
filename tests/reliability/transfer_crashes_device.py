"""The device's sending side cut at each of its crash points while it empties its outbox to a real server."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.reliability.transfer_disk import LosingDisk, build_recorder
from tests.reliability.transfer_forks import KILLED, Nursery
from tests.reliability.transfer_life import GIVEN_UP, TransferLife
from tests.reliability.transfer_server import quick_server
from tests.reliability.transfer_tally import Choice, CrashTally, Loss
from tests.reliability.uploads_device import NOBODY, SUFFIX
from tests.reliability.uploads_stores import SQLITE, Stores, open_stores

_MAIN = "tests.reliability.uploads_device:main"
_ATTEMPTS = 3


def run_device_crashes(
    folder: Path, choice: Choice, rng: random.Random, progress: Callable[[str], None]
) -> CrashTally:
    """Cuts a device at the chosen points, and lets it go on."""
    home = folder / "device"
    disk = LosingDisk(home / "outbox", folder / "synced", build_recorder(folder))
    with (
        quick_server(folder) as server,
        open_stores(SQLITE, server.data_dir) as stores,
        Nursery(
            ["tests.reliability.uploads_device"],
            package="tinylcm",
            folder=folder,
            environment=disk.environment,
        ) as nursery,
    ):
        address = server.start()
        assert address is not None
        return _Trials(nursery, home, disk, address, stores, rng).run(choice, progress)


class _Trials:
    def __init__(
        self,
        nursery: Nursery,
        home: Path,
        disk: LosingDisk,
        address: str,
        stores: Stores,
        rng: random.Random,
    ) -> None:
        self._nursery, self._home, self._disk = nursery, home, disk
        self._address, self._stores, self._rng = address, stores, rng
        self._tally = CrashTally()

    def run(self, choice: Choice, progress: Callable[[str], None]) -> CrashTally:
        tally = self._tally
        life = self._begin()
        if self._live() != 0:
            raise RuntimeError(f"undisturbed it fails:\n{self._last_words()}")
        tally.faults += self._faults(life)
        tally.points = self._nursery.moments()
        for number, (point, loss) in enumerate(choice.of(tally.points), start=1):
            faults = [f"{loss.name} at {point!r}: {fault}" for fault in self._cut(point, loss)]
            tally.faults += faults
            if faults or number % 20 == 0:
                progress(f"device {number} ({len(tally.points)} points): {faults or 'nothing broken'}")
        tally.count_losses(self._disk)
        return tally

    def _cut(self, point: str, loss: Loss) -> Iterator[str]:
        for _ in range(_ATTEMPTS):
            life = self._begin()
            if (status := self._live(cut_at=point)) == KILLED:
                break
        else:
            self._tally.missed.append(f"{point}: status {status}")
            return
        self._tally.cuts += 1
        if loss is not Loss.NOTHING:
            self._disk.lose(self._rng if loss is Loss.SOME_UNSYNCED else None)
        if (status := self._live()) != 0:
            yield f"it did not go on, status {status}: {self._last_words()}"
            return
        yield from self._faults(life)

    def _begin(self) -> TransferLife:
        """A new device with packages to send."""
        shutil.rmtree(self._home)
        (self._home / "outbox").mkdir(parents=True)
        self._disk.remember()
        spool = self._home / "spool"
        spool.mkdir()
        (self._home / "promised").touch()
        (spool / "end").touch()
        life = TransferLife.begin(self._rng)
        del life.parcels[GIVEN_UP]
        for parcel in life.parcels.values():
            (spool / f"{parcel.made.package_id}{SUFFIX}").write_bytes(parcel.content)
        return life

    def _live(self, *, cut_at: str = "") -> int:
        self._nursery.start(_MAIN, str(self._home), self._address, NOBODY, cut_at=cut_at)
        return self._nursery.ended()

    def _faults(self, life: TransferLife) -> Iterator[str]:
        for parcel in life.parcels.values():
            parcel.has_receipt = True  # the device ended: it says that everything arrived
        yield from life.faults(self._address, self._stores)

    def _last_words(self) -> str:
        return self._nursery.log.read_text(encoding="utf-8", errors="replace")[-1000:]

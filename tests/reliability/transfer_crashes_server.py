"""The server cut at each of its crash points while a device talks with it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc

from tests.reliability.transfer_life import TransferLife
from tests.reliability.transfer_server import QuickServer, quick_server
from tests.reliability.transfer_tally import Choice, CrashTally, Loss
from tests.reliability.uploads_stores import SQLITE, Stores, open_stores

_READING = "Database.reading"  # the end of a transaction that only reads makes nothing durable
_BROKEN_OFF = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
)
_ATTEMPTS = 3  # some points are passed only when two threads meet
_LATE_S = 2.0  # for points of the work beside


def run_server_crashes(
    folder: Path, choice: Choice, rng: random.Random, progress: Callable[[str], None]
) -> CrashTally:
    """Cuts a server at the chosen points, and lets it go on."""
    with quick_server(folder, is_losing=True) as server, open_stores(SQLITE, server.data_dir) as stores:
        return _Trials(server, stores, rng, folder / "empty").run(choice, progress)


class _Trials:
    def __init__(self, server: QuickServer, stores: Stores, rng: random.Random, empty: Path) -> None:
        assert server.disk is not None
        self._server, self._disk, self._stores, self._rng = server, server.disk, stores, rng
        self._empty = empty
        self._tally = CrashTally()

    def run(self, choice: Choice, progress: Callable[[str], None]) -> CrashTally:
        tally = self._tally
        at_first_start, expected = self._undisturbed()
        later = self._server.moments()
        first = [point for point in at_first_start if point not in later]
        tally.points = [point for point in [*first, *later] if _READING not in point]
        for number, (point, loss) in enumerate(choice.of(tally.points), start=1):
            faults = []
            for _ in range(_ATTEMPTS):
                self._make_home(is_new=point in first)
                life = TransferLife.begin(self._rng)
                if self._is_cut(life, point):
                    tally.cuts += 1
                    faults = list(self._consequences(life, loss, expected))
                    break
            else:
                tally.missed.append(point)
            tally.faults += [f"{loss.name} at {point!r}: {fault}" for fault in faults]
            if faults or number % 20 == 0:
                progress(f"server {number} ({len(tally.points)} points): {faults or 'nothing broken'}")
        tally.count_losses(self._disk)
        return tally

    def _undisturbed(self) -> tuple[list[str], dict[str, list[int]]]:
        """The points of a first start, and how the story ends."""
        self._start()
        self._server.kill()
        at_first_start = self._server.moments()
        shutil.copytree(self._server.data_dir, self._empty)
        self._server.forget_moments()
        life = TransferLife.begin(self._rng)
        address = self._start()
        life.live(address)
        outcome = life.outcome(address)
        list(life.faults(address, self._stores))
        self._server.kill()
        return at_first_start, outcome

    def _make_home(self, *, is_new: bool) -> None:
        shutil.rmtree(self._server.data_dir)
        if is_new:
            self._server.data_dir.mkdir()
        else:
            shutil.copytree(self._empty, self._server.data_dir)
        self._disk.remember()

    def _is_cut(self, life: TransferLife, point: str) -> bool:
        """Lets the server live until it passes the point; False when it does not."""
        address = self._server.start(cut_at=point)
        if address is None:
            return True
        try:
            life.live(address)
            list(life.faults(address, self._stores))  # asks for what a device asks for
        except grpc.RpcError as error:
            if error.code() not in _BROKEN_OFF:  # type: ignore[attr-defined]  # a call, too
                self._tally.faults.append(f"at {point!r}: refused before it was cut: {error}")
        except StopIteration:
            pass  # the stream ended while an acknowledgement was waited for
        return self._server.dies_by_itself(_LATE_S)

    def _consequences(self, life: TransferLife, loss: Loss, expected: dict[str, list[int]]) -> Iterator[str]:
        if loss is not Loss.NOTHING:
            self._disk.lose(self._rng if loss is Loss.SOME_UNSYNCED else None)
        address = self._start()
        try:
            yield from life.faults(address, self._stores)
            life.live(address)
            yield from life.faults(address, self._stores)
            if (outcome := life.outcome(address)) != expected:
                yield f"the end is {outcome}, expected {expected}"
        except (grpc.RpcError, StopIteration) as error:
            yield f"it did not go on: {error!r}"
        self._server.kill()

    def _start(self) -> str:
        address = self._server.start()
        assert address is not None, "without a point it is not cut"
        return address

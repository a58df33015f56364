"""One run of uploads between a real device and a real server, over a link that is cut, both ends killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import grpc

from rig.link import FaultyLink, LinkFaults
from tests.reliability.transfer_disk import LosingDisk, build_recorder
from tests.reliability.uploads_check import Arrivals
from tests.reliability.uploads_counts import UploadCounts, UploadPlan
from tests.reliability.uploads_device import SUFFIX
from tests.reliability.uploads_packages import Made, draw_size, make_package
from tests.reliability.uploads_processes import Mortal, lasting_address, server_process
from tests.reliability.uploads_schedule import DEVICE, SERVER, Kill, draw_kills
from tests.reliability.uploads_stores import Stores

_LOOK_EVERY_S = 0.01
_UPLOAD_TIMEOUT_S, _END_TIMEOUT_S, _PROCESS_TIMEOUT_S = 300.0, 120.0, 1800.0
_GREETING_BYTES = 1500  # of a new connection, before an upload's first byte
_BYTES_PER_S = 16 << 20
_BY_CHANCE_SHARE = 0.5  # of the power cuts; the others take everything away that was not synced
_SETTINGS: dict[str, object] = {"disk_floor_bytes": 1, "worker_lease_s": 5, "stop_grace_s": 1}


def run_uploads(
    plan: UploadPlan, stores: Stores, folder: Path, progress: Callable[[str], None]
) -> UploadCounts:
    """Makes everything, sends it, and counts what became of it."""
    with ExitStack() as stack:
        run = _Run(plan, stores, folder, stack)
        return run.through(progress)


class _Run:
    def __init__(self, plan: UploadPlan, stores: Stores, folder: Path, stack: ExitStack) -> None:
        self._plan = plan
        self._rng = random.Random(plan.seed)
        self._spool = folder / "device" / "spool"
        self._spool.mkdir(parents=True)
        self._promised = folder / "device" / "promised"
        self._promised.touch()
        self._counts = UploadCounts()
        ingestion, drift = lasting_address(), lasting_address()
        settings = _SETTINGS | stores.settings
        self._server = server_process(
            folder / "server",
            ["ingestion"],
            settings | {"ingestion_address": ingestion, "drift_target": drift},
            folder / "server.log",
        )
        self._drift = server_process(
            folder / "drift",
            ["drift"],
            _SETTINGS | {"drift_address": drift, "ingestion_target": ingestion},
            folder / "drift.log",
        )
        self._link = stack.enter_context(FaultyLink(ingestion, LinkFaults(), seed=plan.seed))
        arguments = [str(folder / "device"), self._link.address, drift]
        self._device = Mortal("tests.reliability.uploads_device", arguments, {}, folder / "device.log")
        channels = [stack.enter_context(grpc.insecure_channel(it)) for it in (ingestion, drift)]
        self._arrivals = Arrivals(channels[0], channels[1], stores)
        self._disks: dict[str, LosingDisk] = self._losing_disks(folder) if plan.is_power_lost else {}
        for process in (self._server, self._drift, self._device):
            process.start()
            stack.callback(process.end)

    def _losing_disks(self, folder: Path) -> dict[str, LosingDisk]:
        recorder = build_recorder(folder)
        roots = {SERVER: folder / "server", DEVICE: folder / "device" / "outbox"}
        disks = {who: LosingDisk(root, folder / f"{who}.synced", recorder) for who, root in roots.items()}
        self._server.add_environment(disks[SERVER].environment)
        self._device.add_environment(disks[DEVICE].environment)
        return disks

    def through(self, progress: Callable[[str], None]) -> UploadCounts:
        plan, counts = self._plan, self._counts
        handed: list[Made] = []
        sizes = [draw_size(self._rng, plan.most_bytes) for _ in range(plan.uploads)]
        kills = draw_kills(self._rng, sizes, server_kills=plan.server_kills, device_kills=plan.device_kills)
        deadline_s = time.monotonic() + plan.most_s
        for number, (size_bytes, ordered) in enumerate(zip(sizes, kills, strict=True), start=1):
            if time.monotonic() > deadline_s:
                progress(f"the time is over after {number - 1} uploads")
                break
            made, content = make_package(self._rng, size_bytes)
            handed.append(made)
            if not self._upload(made, content, ordered):
                counts.failed.append(f"upload {number} did not end; the device: {self._device.last_words()}")
                break
            if number % max(plan.uploads // 20, 1) == 0:
                progress(f"uploads {number}/{plan.uploads}: {self._so_far()}")
        self._count(handed)
        return counts

    def _upload(self, made: Made, content: bytes, kills: list[Kill]) -> bool:
        """One upload, cut and killed as planned; whether it came to its end."""
        place = self._spool / f"{made.package_id}{SUFFIX}"
        cuts_before = self._arm(made.size_bytes)
        self._publish(place, content)
        waiting, started_s = list(kills), time.monotonic()
        while waiting or place.exists():
            elapsed_s = time.monotonic() - started_s
            if elapsed_s > _UPLOAD_TIMEOUT_S:
                return False
            while waiting and waiting[0].delay_s <= elapsed_s:
                self._kill(waiting.pop(0))
            for process in (self._server, self._device):
                process.keep_alive()
            if self._link.counts.cut_count > cuts_before:
                self._ease(made.size_bytes)
            time.sleep(_LOOK_EVERY_S)
        self._counts.attempts += 1
        self._counts.sent_bytes += made.size_bytes
        self._counts.uploads_cut += self._link.counts.cut_count > cuts_before
        return True

    def _arm(self, size_bytes: int) -> int:
        """The next connection breaks within the upload; returns how many have been cut when that begins."""
        self._link.faults = LinkFaults(
            cut_after_bytes=(_GREETING_BYTES, size_bytes),
            reset=self._rng.random() < 0.5,
            rate_bytes_per_s=_BYTES_PER_S,
        )
        self._link.cut()
        return self._link.counts.cut_count

    def _ease(self, size_bytes: int) -> None:
        """Connections after the first cut last longer, and most to the end."""
        limit = (_GREETING_BYTES + size_bytes // 2, _GREETING_BYTES + 4 * size_bytes)
        self._link.faults = LinkFaults(
            cut_after_bytes=limit, reset=self._link.faults.reset, rate_bytes_per_s=_BYTES_PER_S
        )

    def _publish(self, place: Path, content: bytes) -> None:
        aside = place.with_suffix(".part")
        aside.write_bytes(content)
        aside.rename(place)

    def _kill(self, kill: Kill) -> None:
        process = self._server if kill.who == SERVER else self._device
        process.kill()
        if kill.who in self._disks:
            self._disks[kill.who].lose(self._rng if self._rng.random() < _BY_CHANCE_SHARE else None)
        process.start()

    def _so_far(self) -> str:
        kills = f"{self._server.kill_count} + {self._device.kill_count} kills"
        return f"{kills}, {self._link.counts.cut_count} cuts, {len(self._counts.failed)} failures"

    def _count(self, handed: list[Made]) -> None:
        counts = self._counts
        self._link.faults = LinkFaults()
        (self._spool / "end").touch()
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        while self._device.status() is None and time.monotonic() < deadline_s:
            self._server.keep_alive()
            time.sleep(_LOOK_EVERY_S)
        if self._device.status() != 0:
            counts.failed.append(f"the device did not end: {self._device.last_words()}")
        counts.server_kills, counts.device_kills = self._server.kill_count, self._device.kill_count
        counts.cuts = self._link.counts.cut_count
        counts.unsynced_bytes = sum(disk.lost_bytes for disk in self._disks.values())
        counts.unsynced_names = sum(disk.lost_names for disk in self._disks.values())
        counts.failed += [*self._server.failures, *self._device.failures]
        promised = set(self._promised.read_text(encoding="utf-8").split())
        expected = [made for made in handed if made.package_id in promised]
        self._arrivals.wait_until_processed(_PROCESS_TIMEOUT_S)
        counts.lost += self._arrivals.lost(expected)
        counts.duplicated += self._arrivals.duplicated(expected)
        counts.corrupted += self._arrivals.corrupted(expected)

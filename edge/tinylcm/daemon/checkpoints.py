"""The one moment at which everything the device did becomes durable, in an order that survives a power cut.

A checkpoint has a number. Evidence and answers gathered since the one before are

1. staged in the outbox under that number, in one transaction: durable, but not to be sent yet;
2. then the snapshot is saved: the pipeline's state, the index of the next frame, and the number;
3. then the outbox releases what is staged under the number, and it may be sent.

A crash before 1 loses only memory: the frames since the last snapshot are processed again. Between 1 and 2: the next
start finds an older number in the newest snapshot, forgets what was staged and makes it again from the same
frames. Between 2 and 3: the next start finds the number in the snapshot and releases. So a frame's evidence is in the
outbox before its index is passed, nothing that depends on an adaptation leaves before the adaptation is durable, and
ids that were ever sent are never made anew. Only if the newest snapshot itself is later found damaged does the device
fall back to an older one and may report the frames between under new ids.

The inference thread takes the state and goes on; the three steps are one job of the disk's thread, and the next
checkpoint begins when that job is over. What a full disk refused is gathered again for the next one.
"""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.daemon.checkpoint_writer import CheckpointWriter, Job
from tinylcm.daemon.engine import Engine
from tinylcm.daemon.history import go_back
from tinylcm.daemon.pending import Pending
from tinylcm.daemon.ration import SampleRation
from tinylcm.daemon.starts import Starts
from tinylcm.daemon.taken_back import untold
from tinylcm.errors import StateError, StorageFullError
from tinylcm.ports import Clock
from tinylcm.records import Acknowledgement, Adaptation, DriftEvent, Sample
from tinylcm.sync.boots import Boots
from tinylcm.sync.packing import Packer

_LOGGER = logging.getLogger(__name__)
_MAX_PENDING_SAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a checkpoint ended: `is_made`, or the disk was full; counts speak of what became durable with it."""

    is_made: bool
    has_news: bool = False
    new_event_count: int = 0


class Checkpoints:
    """Makes checkpoints, one at a time, and finds the last one at start; used by the inference thread only.

    Args:
        disk: Does one job after the other.
        starts: Hears that this start came to something.
        ration: Says which samples may be sent.
        boots: What this boot counted, and those before it that no server heard of; kept with each checkpoint.
        clock: Tells when the device took itself back.
    """

    def __init__(
        self,
        outbox: SqliteOutbox,
        packer: Packer,
        disk: Executor,
        starts: Starts,
        ration: SampleRation,
        boots: Boots,
        clock: Clock,
    ) -> None:
        self._writer = CheckpointWriter(outbox, packer, starts, ration)
        self._outbox = outbox
        self._disk = disk
        self._starts = starts
        self._boots = boots
        self._clock = clock
        self._number = 0
        self._pending = Pending()
        self._under_way: tuple[Job, Future[bool]] | None = None

    @property
    def has_evidence(self) -> bool:
        """Whether something waits for the next checkpoint."""
        return bool(self._pending)

    @property
    def is_busy(self) -> bool:
        """Whether one is under way."""
        return self._under_way is not None

    def add(
        self,
        *,
        events: Iterable[DriftEvent] = (),
        samples: Iterable[Sample] = (),
        acknowledgements: Iterable[Acknowledgement] = (),
        adaptations: Iterable[Adaptation] = (),
    ) -> None:
        """Gathers evidence and answers; they become durable, and may be sent, with the next checkpoint."""
        self._pending.add(events, samples, acknowledgements, adaptations)
        surplus = len(self._pending.samples) - _MAX_PENDING_SAMPLES
        if surplus > 0:  # only when checkpoints have been failing for long
            _LOGGER.error("%d samples are given up: no checkpoint can be made", surplus)
            del self._pending.samples[:surplus]

    def make(self, engine: Engine, next_index: int) -> None:
        """Begins to make everything durable up to the frame before ``next_index``; `finish` tells how it went."""
        job = self._job(engine, next_index, self._pending)
        self._pending = Pending()
        self._under_way = job, self._disk.submit(self._writer.write, job)

    def finish(self, *, wait: bool) -> Result | None:
        """Returns how the checkpoint under way ended; None when there is none, or not ``wait`` and it goes on."""
        if self._under_way is None or not (wait or self._under_way[1].done()):
            return None
        (job, written), self._under_way = self._under_way, None
        if written.result():
            self._number = job.number
            return Result(
                is_made=True, has_news=job.pending.is_staged, new_event_count=job.pending.new_event_count
            )
        job.pending.add_newer(self._pending)
        self._pending = job.pending
        return Result(is_made=False)

    def note_survival(self) -> None:
        """Tells that what is taken up here can be lived with, before a checkpoint is due."""
        self._disk.submit(self._starts.survived)

    def begin(self, engine: Engine, next_index: int) -> None:
        """Saves the first state of a bundle's engine, and returns when it is durable; none may be under way.

        Raises:
            StorageFullError: The disk is full.
        """
        job = self._job(engine, next_index, Pending())
        self._writer.save(job)
        self._number = job.number

    def recover(self, folders: Sequence[SnapshotFolder]) -> int:
        """Brings the outbox in line with the newest snapshot of any bundle, and returns the next frame's index."""
        next_index, mark, boots = 0, 0, []
        for folder in folders:
            folder.sweep()
            stored = folder.load_newest()
            if stored is not None:
                if int(stored[1]["checkpoint"]) >= self._number:
                    boots = stored[1].get("boots", [])
                self._number = max(self._number, int(stored[1]["checkpoint"]))
                next_index = max(next_index, int(stored[1]["next_index"]))
                mark = max(mark, int(stored[1].get("outbox_mark", 0)))
        self._outbox.recover(self._number, mark)
        self._boots.take_up(boots)
        return next_index

    def go_back(self, engine: Engine) -> bool:
        """Takes an engine to the last whole snapshot before its newest; False when there is none."""
        try:
            way_back = go_back(
                engine.snapshots,
                now=self._clock.now(),
                reason="the device did not start with it and took itself back to an older snapshot",
            )
        except (StateError, StorageFullError) as error:
            _LOGGER.error("no way back to an older snapshot: %s", error)
            return False
        _LOGGER.error("back to %s: %s", way_back.taken.snapshot_id, "; ".join(way_back.differences()))
        self.restore(engine)
        return True

    def restore(self, engine: Engine) -> None:
        """Takes an engine to its newest snapshot; without one it stands as its bundle made it."""
        stored = engine.snapshots.load_newest()
        if stored is None:
            return
        snapshot_id, meta, arrays = stored
        try:
            self.add(adaptations=untold(meta))
            engine.pipeline.restore(meta["pipeline"], arrays)
        except StateError as error:
            _LOGGER.error("%s is not taken up, the bundle's own state is: %s", snapshot_id, error)

    def _job(self, engine: Engine, next_index: int, pending: Pending) -> Job:
        meta, arrays = engine.pipeline.state()
        return Job(
            number=self._number + 1,
            next_index=next_index,
            model=engine.model,
            snapshots=engine.snapshots,
            meta=meta,
            arrays=arrays,
            pending=pending,
            boots=self._boots.state(coming_drift_events=pending.new_event_count),
        )

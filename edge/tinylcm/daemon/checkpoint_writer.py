"""One checkpoint on its way to the disk; see `checkpoints` for the order of its steps and why."""

import logging
from dataclasses import dataclass

from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.daemon.pending import Pending
from tinylcm.daemon.ration import SampleRation
from tinylcm.daemon.starts import Starts
from tinylcm.errors import StorageFullError
from tinylcm.ports import Arrays, Json, MessageKind, NewMessage, Priority
from tinylcm.records import ModelReference
from tinylcm.sync import convert
from tinylcm.sync.packing import Packer

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Job:
    """One checkpoint on its way to the disk: the state as it was taken, and what was gathered until then."""

    number: int
    next_index: int
    model: ModelReference
    snapshots: SnapshotFolder
    meta: Json
    arrays: Arrays
    pending: Pending
    boots: list[Json]


class CheckpointWriter:
    """Does the three steps; used by one thread at a time.

    Args:
        starts: Hears that this start came to something.
        ration: Says which samples may be sent.
    """

    def __init__(self, outbox: SqliteOutbox, packer: Packer, starts: Starts, ration: SampleRation) -> None:
        self._outbox = outbox
        self._packer = packer
        self._starts = starts
        self._ration = ration

    def write(self, job: Job) -> bool:
        """Stages, saves, releases; False when the disk is full."""
        try:
            if job.pending:
                self._stage(job)
            self.save(job)
            self._outbox.release(job.number)
            self._starts.survived()
        except StorageFullError as error:
            _LOGGER.error("no checkpoint could be made: %s", error)
            return False
        return True

    def _stage(self, job: Job) -> None:
        events = list(job.pending.events.values())
        samples = self._ration.choose(job.pending.samples)
        answers = [
            NewMessage(
                kind=MessageKind.ACKNOWLEDGEMENT,
                content=convert.to_acknowledgement(answer).SerializeToString(),
            )
            for answer in job.pending.acknowledgements
        ]
        self._outbox.put(
            self._packer.evidence(events, samples, job.model, list(job.pending.adaptations.values())),
            [*self._packer.urgent(events), *answers],
            checkpoint=job.number,
        )
        self._ration.spend(samples, len(job.pending.samples))
        job.pending.mark_staged()

    def save(self, job: Job) -> None:
        """Saves the snapshot; raises StorageFullError when there is no room even after metrics were given up."""
        place = {
            "checkpoint": job.number,
            "next_index": job.next_index,
            "outbox_mark": self._outbox.mark(),
            "boots": job.boots,
        }
        while True:
            try:
                job.snapshots.save({**place, "pipeline": job.meta}, job.arrays)
            except StorageFullError:  # what the device is comes before what it only measured
                if not self._outbox.give_up_one(Priority.METRICS):
                    raise
            else:
                return

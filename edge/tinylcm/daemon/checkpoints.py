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
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.daemon.engine import Engine
from tinylcm.errors import StateError, StorageFullError
from tinylcm.ports import MessageKind, NewMessage
from tinylcm.records import Acknowledgement, DriftEvent, Sample
from tinylcm.sync import convert
from tinylcm.sync.packing import Packer

_LOGGER = logging.getLogger(__name__)
_MAX_PENDING_SAMPLES = 2000


@dataclass(slots=True)
class Pending:
    """What was gathered since the last checkpoint."""

    events: dict[str, DriftEvent] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    acknowledgements: list[Acknowledgement] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.events or self.samples or self.acknowledgements)


class Checkpoints:
    """Makes checkpoints, and finds the last one at start; used by the inference thread only."""

    def __init__(self, outbox: SqliteOutbox, packer: Packer) -> None:
        self._outbox = outbox
        self._packer = packer
        self._number = 0
        self._pending = Pending()

    @property
    def has_evidence(self) -> bool:
        """Whether something waits for the next checkpoint."""
        return bool(self._pending)

    def add(
        self,
        *,
        events: Iterable[DriftEvent] = (),
        samples: Iterable[Sample] = (),
        acknowledgements: Iterable[Acknowledgement] = (),
    ) -> None:
        """Gathers evidence and answers; they become durable, and may be sent, with the next checkpoint."""
        self._pending.events.update((event.drift_event_id, event) for event in events)
        self._pending.samples.extend(samples)
        self._pending.acknowledgements.extend(acknowledgements)
        surplus = len(self._pending.samples) - _MAX_PENDING_SAMPLES
        if surplus > 0:  # only when checkpoints have been failing for long
            _LOGGER.error("%d samples are given up: no checkpoint can be made", surplus)
            del self._pending.samples[:surplus]

    def make(self, engine: Engine, next_index: int) -> bool:
        """Makes everything durable up to the frame before ``next_index``; False when the disk is full."""
        number = self._number + 1
        try:
            if self._pending:
                self._stage(engine, number)
            self._save(engine, next_index, number)
        except StorageFullError as error:
            _LOGGER.error("no checkpoint could be made: %s", error)
            return False
        self._outbox.release(number)
        return True

    def begin(self, engine: Engine, next_index: int) -> None:
        """Saves the first state of a bundle's engine.

        Raises:
            StorageFullError: The disk is full.
        """
        self._save(engine, next_index, self._number + 1)

    def recover(self, folders: Sequence[SnapshotFolder]) -> int:
        """Brings the outbox in line with the newest snapshot of any bundle, and returns the next frame's index."""
        next_index, mark = 0, 0
        for folder in folders:
            stored = folder.load_newest()
            if stored is not None:
                self._number = max(self._number, int(stored[1]["checkpoint"]))
                next_index = max(next_index, int(stored[1]["next_index"]))
                mark = max(mark, int(stored[1].get("outbox_mark", 0)))
        self._outbox.recover(self._number, mark)
        return next_index

    def restore(self, engine: Engine) -> None:
        """Takes an engine to its newest snapshot; without one it stands as its bundle made it."""
        stored = engine.snapshots.load_newest()
        if stored is None:
            return
        snapshot_id, meta, arrays = stored
        try:
            engine.pipeline.restore(meta["pipeline"], arrays)
        except StateError as error:
            _LOGGER.error("%s is not taken up, the bundle's own state is: %s", snapshot_id, error)

    def _stage(self, engine: Engine, number: int) -> None:
        events = list(self._pending.events.values())
        answers = [
            NewMessage(
                kind=MessageKind.ACKNOWLEDGEMENT,
                content=convert.to_acknowledgement(answer).SerializeToString(),
            )
            for answer in self._pending.acknowledgements
        ]
        self._outbox.put(
            self._packer.evidence(events, self._pending.samples, engine.model),
            [*self._packer.urgent(events), *answers],
            checkpoint=number,
        )
        self._pending = Pending()

    def _save(self, engine: Engine, next_index: int, number: int) -> None:
        meta, arrays = engine.pipeline.state()
        place = {"checkpoint": number, "next_index": next_index, "outbox_mark": self._outbox.mark()}
        engine.snapshots.save({**place, "pipeline": meta}, arrays)
        self._number = number

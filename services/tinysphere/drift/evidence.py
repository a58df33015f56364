"""Takes what devices report: drift events and the samples that show them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tinysphere.domain.clock import Clock
from tinysphere.domain.drift import DriftEvent, EventProgress, ReportedSample, Sample, StoredImage
from tinysphere.drift import notices
from tinysphere.drift.lifecycle import SERVER_ACTOR
from tinysphere.drift.model_labels import ModelLabels
from tinysphere.drift.progress import add_progress, advance_event
from tinysphere.errors import ConflictError, InvalidFieldError, PreconditionError
from tinysphere.storage.ports.blobs import Blobs
from tinysphere.storage.ports.drift import DriftStore, DriftTransaction


class Evidence:
    """Each method takes all or nothing of what it is given; repeating it changes nothing.

    Args:
        store: Where everything is kept.
        blobs: Keeps pictures.
        clock: Tells the time.
        arrived: Called after a commit, to have what is new grouped and weighed soon.
    """

    def __init__(self, store: DriftStore, blobs: Blobs, clock: Clock, *, arrived: Callable[[], None]) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._arrived = arrived
        self._labels = ModelLabels()

    def report_events(self, events: Sequence[DriftEvent]) -> int:
        """Adds new events, and the recovery of known ones.

        Returns:
            How many were new.

        Raises:
            ConflictError: DRIFT_EVENT_CONFLICT, another device owns an id.
        """
        with self._store.transaction() as transaction:
            _refuse_foreign_events(events, transaction)
            known = dict(transaction.lock_events({event.drift_event_id for event in events}))
            created_count = 0
            for event in events:
                created_count += event.drift_event_id not in known
                known[event.drift_event_id] = self._merge(event, known.get(event.drift_event_id), transaction)
        self._arrived()
        return created_count

    def report_samples(self, reported: Sequence[ReportedSample]) -> int:
        """Adds new samples, their pictures first, so that no row ever points at a missing picture.

        Returns:
            How many were new.

        Raises:
            InvalidFieldError: An embedding's dimension is not that of its feature space, or an event belongs
                to another device.
            ConflictError: SAMPLE_CONFLICT, another device owns an id.
        """
        for entry in reported:
            self._keep_image(entry)
        samples = [entry.sample for entry in reported]
        firsts = list({sample.sample_id: sample for sample in reversed(samples)}.values())
        with self._store.transaction() as transaction:
            self._labels.learn(firsts, now=self._clock.now(), transaction=transaction)
            _refuse_other_dimensions(samples, transaction)
            created = transaction.add_samples(firsts)
            _refuse_foreign_samples(samples, transaction)
            _refuse_samples_of_foreign_events(samples, transaction)
            now = self._clock.now()
            self._count_samples([entry for entry in firsts if entry.sample_id in created], now, transaction)
            transaction.queue.refresh_samples(created, now=now)
        self._arrived()
        return len(created)

    def read_image(self, sample_id: str) -> tuple[StoredImage, Iterator[bytes]]:
        """Returns what a sample's picture is, and its bytes in pieces of at most 256 KiB.

        Raises:
            NotFoundError: SAMPLE_NOT_FOUND.
            PreconditionError: SAMPLE_WITHOUT_CONTENT, the device sent features only.
        """
        image = self._store.get_sample(sample_id).image
        if image is None:
            raise PreconditionError(
                "SAMPLE_WITHOUT_CONTENT",
                f"sample {sample_id} came without a picture",
                metadata={"sample_id": sample_id},
            )
        return image, self._blobs.open(image.sha256)

    def _keep_image(self, entry: ReportedSample) -> None:
        image = entry.sample.image
        if image is not None and entry.image_content is not None:
            self._blobs.put([entry.image_content], sha256=image.sha256, size_bytes=image.size_bytes)

    def _merge(
        self, event: DriftEvent, stored: DriftEvent | None, transaction: DriftTransaction
    ) -> DriftEvent:
        """Stores what is new in `event` and returns it as it stands then."""
        if stored is None:
            transaction.add_event(event)
            transaction.notices.add([notices.arrived(event)])
            transaction.queue.rank_event(event)
            # Samples, verdicts and feedback that came before the event count from now on.
            standing = transaction.lock_events({event.drift_event_id})[event.drift_event_id]
            return advance_event(standing, actor=SERVER_ACTOR, now=self._clock.now(), transaction=transaction)
        if stored.recovered or not event.recovered:
            return stored
        recovered = replace(stored, recovery_time=event.recovery_time, recovery_index=event.recovery_index)
        transaction.set_recovery(recovered)
        return advance_event(recovered, actor=event.device_id, now=self._clock.now(), transaction=transaction)

    def _count_samples(self, created: Sequence[Sample], now: datetime, transaction: DriftTransaction) -> None:
        """Counts new samples at their events, known or not; events that were done open again."""
        counts = Counter(sample.drift_event_id for sample in created if sample.drift_event_id)
        add_progress(
            {event_id: EventProgress(sample_count=count) for event_id, count in counts.items()},
            actors={sample.drift_event_id: sample.device_id for sample in created},
            now=now,
            transaction=transaction,
        )


def _refuse_other_dimensions(samples: Sequence[Sample], transaction: DriftTransaction) -> None:
    """The first embedding of a feature space fixes its dimension."""
    wanted: dict[str, int] = {}
    for sample in samples:
        wanted.setdefault(sample.embedding.feature_space, sample.embedding.dimension_count)
    fixed = transaction.fix_dimensions(wanted)
    for index, sample in enumerate(samples):
        dimension_count = fixed[sample.embedding.feature_space]
        if sample.embedding.dimension_count != dimension_count:
            raise InvalidFieldError(
                f"samples[{index}].embedding.dimension_count",
                f"{dimension_count} as in every embedding of feature space {sample.embedding.feature_space}",
                str(sample.embedding.dimension_count),
            )


def _refuse_foreign_samples(samples: Sequence[Sample], transaction: DriftTransaction) -> None:
    owners = transaction.sample_owners({sample.sample_id for sample in samples})
    for sample in samples:
        if owners[sample.sample_id] != sample.device_id:
            raise ConflictError(
                "SAMPLE_CONFLICT",
                f"sample {sample.sample_id} belongs to another device; make a new id",
                metadata={"sample_id": sample.sample_id},
            )


def _refuse_foreign_events(events: Sequence[DriftEvent], transaction: DriftTransaction) -> None:
    owners = _claim(((event.drift_event_id, event.device_id) for event in events), transaction)
    for event in events:
        if owners[event.drift_event_id] != event.device_id:
            raise ConflictError(
                "DRIFT_EVENT_CONFLICT",
                f"drift event {event.drift_event_id} belongs to another device; make a new id",
                metadata={"drift_event_id": event.drift_event_id},
            )


def _refuse_samples_of_foreign_events(samples: Sequence[Sample], transaction: DriftTransaction) -> None:
    pairs = ((sample.drift_event_id, sample.device_id) for sample in samples if sample.drift_event_id)
    owners = _claim(pairs, transaction)
    for index, sample in enumerate(samples):
        if sample.drift_event_id and owners[sample.drift_event_id] != sample.device_id:
            raise InvalidFieldError(
                f"samples[{index}].drift_event_id",
                f"an event of device {sample.device_id}",
                "another device's",
            )


def _claim(pairs: Iterable[tuple[str, str]], transaction: DriftTransaction) -> Mapping[str, str]:
    """Claims event ids for the device that names each first; returns the device that owns each."""
    claims: dict[str, str] = {}
    for drift_event_id, device_id in pairs:
        claims.setdefault(drift_event_id, device_id)
    return transaction.claim_events(claims)
